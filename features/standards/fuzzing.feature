@fuzzed
Feature: Input that nobody thought of is answered as any other
  A server is attacked, and broken by mistake, with requests that its authors did not imagine, and RFC 6749 §5.2 says how
  it answers all of them. So each endpoint is sent requests that are generated: by its description, valid and not;
  malformed in body, content type and method; with values that have broken parsers before; and almost right ones, with
  the codes of others in them. A case that breaks a rule is made as small as it can be, and kept to be sent again.

  Rule: However a request is malformed, the answer is a well-formed OAuth error

    @ERR-01 @negative
    Scenario Outline: However a request is malformed, it is the client's fault, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them with no fault of its own

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |
        | the endpoint that revokes a grant         |

    @ERR-02 @negative
    Scenario Outline: However a request is malformed, programs can read the refusal, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them with a JSON object where it refuses

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |

    @ERR-03 @negative
    Scenario Outline: However a request is malformed, the error fits into a header, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them in the characters that an error may hold

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |

    @ERR-07 @negative
    Scenario Outline: However a request is malformed, who has to wait is told how long, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them with the time to come again where it says to come later

      Examples:
        | endpoint                          |
        | the token endpoint                |
        | the device authorization endpoint |

    @ERR-08 @negative
    Scenario Outline: However a request is malformed, no cache keeps the error, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them with errors that no cache keeps

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |

    @DAR-22 @negative
    Scenario: However a device authorization request is malformed, no page and no stack trace comes back
      When the device authorization endpoint is sent requests of every form
      Then it answers each of them with neither 5xx, stack trace nor page

  Rule: However a request is malformed, nothing comes back that it put in

    @ERR-06 @negative
    Scenario Outline: However a request is malformed, no secret comes back, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them without a secret or a stack trace in its errors

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |
        | the endpoint that revokes a grant         |

    @ERR-09 @negative
    Scenario Outline: However a request is malformed, it writes no header, at <endpoint>
      When <endpoint> is sent requests of every form
      Then it answers each of them with no header that a parameter made

      Examples:
        | endpoint                                  |
        | the token endpoint                        |
        | the device authorization endpoint         |
        | the registration endpoint                 |
        | the pushed authorization request endpoint |
        | the introspection endpoint                |
        | the revocation endpoint                   |
        | the endpoint that revokes a grant         |

  Rule: However a request is malformed, it opens nothing

    @DAR-11 @negative
    Scenario: A client that is named twice gets no codes
      When the device authorization endpoint is sent requests of every form
      Then it answers each of them with no codes for a client that is named twice

    @DAR-02 @negative
    Scenario: No other method gives codes
      When the device authorization endpoint is sent requests of every form
      Then it answers each of them with no codes for another method

    @POL-19 @negative
    Scenario: A parameter that comes twice is refused, whichever it is
      When the token endpoint is sent requests of every form
      Then it answers each of them with a refusal of what is named twice

    @POL-05 @negative
    Scenario: No request makes a token of another client's code
      When the token endpoint is sent requests of every form
      Then it answers each of them with no token for another client's code

    @POL-06 @negative
    Scenario: No request makes a token of a code that nobody was given
      When the token endpoint is sent requests of every form
      Then it answers each of them with no token for a code that it never gave

    @POL-08 @negative
    Scenario: No request makes a token of a denied code
      When the token endpoint is sent requests of every form
      Then it answers each of them with no token for a denied code

    @POL-12 @negative
    Scenario: No request makes a second token of a redeemed code
      When the token endpoint is sent requests of every form
      Then it answers each of them with no second token for a redeemed code

    @CHG-13 @negative
    Scenario: No request makes a token of a code that nobody decided
      When the token endpoint is sent requests of every form
      Then it answers each of them with no token before the approval

  Rule: What was broken once stays mended

    @ERR-01 @negative
    Scenario: A token request that is nothing but NUL
      When the token endpoint is sent
        | part         | value                             |
        | method       | POST                              |
        | body         | \\u0000=%00                     |
        | Content-Type | application/x-www-form-urlencoded |
      Then the answer comes with no fault of its own
