@task-3.2 @focused
Feature: MCP device authorization starts from client, MCP resource and authorization details
  A headless MCP client asks with its client_id, the MCP resource and PDPP authorization_details, and goes through the same
  client registration and the same pending consent as every other flow. Whatever is missing, repeated or malformed is
  refused as an OAuth error (RFC 6749 §5.2, RFC 8707 §2, RFC 9396 §5) and never falls back to an owner-agent code: an
  incomplete MCP request must not become a request for everything.

  Background:
    Given a client that may use the device grant

  Rule: A well-formed request is answered with codes (RFC 8628 §3.2)

    @CHG-11
    Scenario: A registered client gets codes for the MCP resource
      When the client requests a device authorization for the MCP resource
      Then it gets a device code, a user code, a verification URI and a lifetime

    @DRS-01
    Scenario Outline: The codes come with status 200 as JSON: <what>
      When the client requests <what>
      Then the answer is 200 as JSON

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DRS-02
    Scenario Outline: The codes and the verification URI are texts, the lifetime a number: <what>
      When the client requests <what>
      Then the answer fits the schema of a device authorization response

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DRS-03
    Scenario Outline: The interval is a positive number or absent: <what>
      When the client requests <what>
      Then the interval is a positive number or absent

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DRS-06
    Scenario Outline: The verification URI is the authorization server's own page: <what>
      When the client requests <what>
      Then the verification URI lies on the authorization server and is protected by TLS

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DRS-13
    Scenario Outline: No cache keeps the codes: <what>
      When the client requests <what>
      Then the answer may not be stored by a cache

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DRS-16
    Scenario Outline: Nothing is granted yet: <what>
      When the client requests <what>
      Then there is no token in the answer

      Examples:
        | what                                             |
        | a device authorization for the MCP resource      |
        | device codes, whatever they are for              |

    @DAR-10
    Scenario: A parameter that nobody knows changes nothing
      When the client requests a device authorization for the MCP resource, with an unknown parameter
      Then it gets a device code, a user code, a verification URI and a lifetime

  Rule: What is required is required (RFC 6749 §5.2)

    @CHG-12 @negative
    Scenario Outline: A request whose <parameter> is <defect> is refused and never becomes the owner's
      When the client requests a device authorization for the MCP resource, its <parameter> <defect>
      Then it is refused with <error>
      And no code comes of it

      Examples:
        | parameter             | defect  | error                                                   |
        | resource              | missing | invalid_request or invalid_target                       |
        | resource              | empty   | invalid_request or invalid_target                       |
        | authorization_details | missing | invalid_request or invalid_authorization_details        |
        | authorization_details | empty   | invalid_request or invalid_authorization_details        |

    @DAR-04 @negative
    Scenario Outline: A request whose client_id is <defect> is refused
      When the client requests a device authorization for the MCP resource, its client_id <defect>
      Then it is refused with invalid_request or invalid_client
      And no code comes of it

      Examples:
        | defect  |
        | missing |
        | empty   |

    @DAR-11 @negative
    Scenario Outline: A request that repeats <parameter> is refused
      When the client requests a device authorization for the MCP resource, its <parameter> repeated
      Then it is refused with <error>
      And no code comes of it

      Examples:
        | parameter             | error                                            |
        | client_id             | invalid_request                                  |
        | authorization_details | invalid_request or invalid_authorization_details |

    @DAR-15 @negative
    Scenario: A request for two resources at once is refused, or bound to both
      When the client requests a device authorization for the MCP resource and another one
      Then it is refused with invalid_target or invalid_request

    @DAR-05 @negative
    Scenario: An unknown client is refused
      When a client that nobody registered requests a device authorization for the MCP resource
      Then it is refused with invalid_client
      And no code comes of it

    @DAR-06 @negative
    Scenario: A client that did not declare the device grant is refused
      Given a client that may not use the device grant
      When that client requests a device authorization for the MCP resource
      Then it is refused with unauthorized_client
      And no code comes of it

    @DAR-02 @negative
    Scenario: A GET never gives codes
      When the client asks for device codes with GET
      Then no code comes of it

  Rule: The resource is the MCP resource, code point for code point (RFC 8707 §2)

    @DAR-14 @negative
    Scenario Outline: A resource with <difference> is refused
      When the client requests a device authorization for the MCP resource with <difference>
      Then it is refused with invalid_target
      And no code comes of it

      Examples:
        | difference       |
        | another path     |
        | another host     |
        | another scheme   |
        | another port     |
        | a query          |
        | a fragment       |
        | a trailing slash |
        | capitals         |
        | no scheme        |

  Rule: Authorization details say exactly what is asked for (RFC 9396 §5)

    @DAR-16 @negative
    Scenario Outline: Authorization details with <defect> are refused
      When the client requests a device authorization with authorization details that have <defect>
      Then it is refused with invalid_authorization_details
      And no code comes of it

      Examples:
        | defect                             |
        | no JSON in them                    |
        | an object instead of an array      |
        | no entry                           |
        | an entry that is no object         |
        | an unknown type                    |
        | no type                            |
        | an unknown member                  |
        | no source                          |
        | an unknown source                  |
        | a source of unknown kind           |
        | an unknown member in a source      |
        | no streams                         |
        | an empty list of streams           |
        | an unknown stream                  |
        | a stream beside all streams        |
        | an unknown member in a stream      |
        | an unknown field                   |
        | an empty list of fields            |
        | no purpose                         |
        | a relative purpose                 |
        | an unknown access mode             |
        | no access mode                     |
        | a reversed time range              |
        | a time that is none                |
        | a retention that is no object      |
        | an unknown member in a retention   |
        | a list for a duration              |
        | an unknown stream after a good one |
        | a text for a source                |
        | a text for streams                 |
        | a number for a stream              |
        | a text for fields                  |
        | a list for a time range            |
        | a number for a necessity           |
        | a number for a purpose             |
        | nine entries                       |
        | more than 16 KiB                   |

    @CHG-11
    Scenario Outline: Authorization details with <part> are taken
      When the client requests a device authorization with <part> in the authorization details
      Then it gets a device code, a user code, a verification URI and a lifetime

      Examples:
        | part                          |
        | all streams of a source       |
        | the beginning of a time range |
        | the end of a time range       |
        | a whole time range            |
        | a stream that is required     |
        | a stream that is optional     |
        | a description of the purpose  |
        | a retention                   |
        | single use                    |

  Rule: The owner is shown who asks for what

    @CHG-15
    Scenario Outline: The decision page of an MCP request shows <fact>
      Given the decision page of an MCP request
      Then the page shows <fact>

      Examples:
        | fact                                              |
        | the client id as a verified fact                  |
        | the client's name as the client's own claim       |
        | the MCP resource                                  |
        | the requested source                              |
        | the requested streams                             |
        | when the request expires                          |
        | a way to approve and a way to deny                |

    @UIX-05
    Scenario Outline: Arriving by the complete URI of the <kind> kind, the owner still compares the user code
      Given a device authorization of the <kind> kind
      When the owner opens it by the complete verification URI
      Then the owner is asked to compare the user code with the device's

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-06 @negative
    Scenario: Opening the complete URI approves nothing
      Given a client token
      And an MCP device authorization
      When the owner opens it by the complete verification URI
      And the client polls
      Then it is told authorization_pending
