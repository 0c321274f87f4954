Feature: A device authorization request is a form, read as a token request is
  A device asks with a form in UTF-8, over TLS, in which an empty parameter is an absent one (RFC 8628 §3.1); a client with
  a secret authenticates as at the token endpoint (RFC 6749 §2.3, §3.2.1); and what is wrong is told in the form of
  RFC 6749 §5.2, however odd the request was (RFC 8628 §3.2). Headless clients have no person to look at a page of HTML, and
  the endpoint is open to anybody who can reach it.

  Background:
    Given a client that may use the device grant

  Rule: The request is a form (RFC 8628 §3.1, RFC 6749 Appendix B)

    @DAR-01
    Scenario Outline: A request is read as a form, <how>
      When the client requests device codes in a form, <how>
      Then its form is accepted

      Examples:
        | how                                |
        | as a form is usually written       |
        | naming its character encoding      |
        | with every letter percent-encoded  |
        | with text in UTF-8                 |

    @DAR-03 @negative
    Scenario Outline: A body that is <kind> is no form
      Given a well-formed request gets device codes
      When the client requests device codes in a body that is <kind>
      Then the body is refused, JSON perhaps excepted

      Examples:
        | kind       |
        | plain text |
        | multipart  |
        | JSON       |

    @DAR-12 @negative
    Scenario: No codes are given in clear text
      Then the device authorization endpoint is there over TLS alone

    @DAR-17 @negative
    Scenario: A client that names itself in the request URI is not known by it
      Given a well-formed request gets device codes
      When the client requests device codes with its client id in the request URI alone
      Then the request is refused with invalid_request or invalid_client
      And no device code is told

  Rule: An empty parameter is an absent one (RFC 8628 §3.1)

    @DAR-09
    Scenario: An empty scope is no scope
      When the client requests device codes without a scope and with an empty one
      Then both requests come to the same

    @DAR-09 @negative
    Scenario Outline: An empty <parameter> alone still asks for the MCP kind, and never becomes the owner's
      When the client requests device codes with nothing but an empty <parameter>
      Then the request is refused with <error>
      And no device code is told

      Examples:
        | parameter             | error                                            |
        | resource              | invalid_request or invalid_target                |
        | authorization_details | invalid_request or invalid_authorization_details |

  Rule: A client with a secret authenticates here as at the token endpoint (RFC 6749 §2.3, §3.2.1)

    @DAR-07 @negative
    Scenario Outline: A client with a secret that shows <credentials> gets no codes
      Given a client with a secret, which gets device codes
      When that client requests device codes with <credentials>
      Then the request is refused with invalid_client
      And no device code is told

      Examples:
        | credentials    |
        | no secret      |
        | a wrong secret |

    @DAR-08 @negative
    Scenario: A wrong secret in the header is challenged
      Given a client with a secret, which gets device codes
      When that client requests device codes with a wrong secret in the header
      Then the request is refused with 401 and a challenge of its scheme

    @DAR-18 @negative
    Scenario: A client that authenticates twice in one request is refused
      Given a client with a secret, which gets device codes
      When that client requests device codes with its secret in header and body
      Then the request is refused with invalid_request or invalid_client
      And no device code is told

    @POL-04 @negative
    Scenario Outline: A client with a secret that shows <credentials> polls in vain
      Given a client with a secret, which gets device codes
      When that client polls with <credentials>
      Then the request is refused with invalid_client
      And the device code still waits for the client with its secret

      Examples:
        | credentials    |
        | no secret      |
        | a wrong secret |

  Rule: A scope that cannot be had is refused, or left out and told (RFC 6749 §3.3)

    @DAR-13 @negative
    Scenario Outline: A scope that <what> is refused or left out
      When the client requests a token for the MCP resource with a scope that <what>
      Then the scope is refused with invalid_scope, or the token is told to be without it

      Examples:
        | what                   |
        | nobody knows           |
        | is malformed           |
        | only owner tokens have |

    @POL-21 @negative
    Scenario: A scope at redemption adds nothing to what was approved
      Given an MCP device authorization that the owner approved and nobody has redeemed
      When the client redeems the device code with a scope that only owner tokens have
      Then the scope is refused, or the token is without it

  Rule: Whatever is wrong is told as at the token endpoint (RFC 8628 §3.2, RFC 6749 §5.2)

    @DAR-19 @negative
    Scenario: Errors have the token endpoint's form
      Given the device authorization endpoint was sent malformed requests
      Then its errors have the form of the token endpoint's

    @DAR-22 @negative
    Scenario Outline: A request with <oddity> is neither a crash nor a page
      When the client requests device codes with <oddity>
      Then there is no fault of the server, no page and no stack trace in the answers
      And a well-formed request gets device codes afterwards

      Examples:
        | oddity                                                |
        | a NUL in a value                                      |
        | octets that are no UTF-8                              |
        | half a surrogate pair                                 |
        | percent signs that encode nothing                     |
        | a value of 70 KB                                      |
        | authorization details nested 5000 deep                |
        | authorization details with numbers beyond all bounds  |
        | hundreds of parameters                                |
        | a body of another kind                                |
        | JSON that is no object of texts                       |
        | another method                                        |

  Rule: Requests do not get into each other's way

    @DAR-20 @limit
    Scenario: A burst of requests meets a limit that says when to try again
      Given the device codes of a sample of requests
      Then a limit on requests, if one shows, says when to try again

    @DAR-21
    Scenario: Codes asked for at the same moment are all good
      When the client requests device codes 4 times at the same moment
      Then each of the device codes waits for the owner

    @DAR-21
    Scenario: The approval of one request leaves the client's other one pending
      Given an MCP device authorization
      And another MCP device authorization of that client, which the owner approves
      Then the first request is still pending
      And the other device code is good for its client
