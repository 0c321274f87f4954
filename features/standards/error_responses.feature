Feature: Errors are read by programs, and tell them no secret
  A client that cannot ask anybody acts on the error code alone, so each endpoint that RFC 6749 §5.2 shapes (RFC 7009
  §2.2.1, RFC 7591 §3.2.2, RFC 8628 §3.2 and RFC 9126 §2.3 refer to it) answers a malformed request with one status, one
  JSON object and a registered code, in characters that fit into a header. What was sent in confidence does not come back.

  Rule: A malformed request is answered as RFC 6749 §5.2 says

    @ERR-01 @negative
    Scenario Outline: The status is the error code's own, at <endpoint>
      Given <endpoint> was sent malformed requests
      Then each of its errors has the status of its code

      Examples:
        | endpoint                                   |
        | the token endpoint                         |
        | the device authorization endpoint          |
        | the registration endpoint                  |
        | the pushed authorization request endpoint  |
        | the revocation endpoint                    |

    @ERR-02 @negative
    Scenario Outline: The body is a JSON object with an error code, at <endpoint>
      Given <endpoint> was sent malformed requests
      Then each of its errors is a JSON object with an error code

      Examples:
        | endpoint                                   |
        | the token endpoint                         |
        | the device authorization endpoint          |
        | the registration endpoint                  |
        | the pushed authorization request endpoint  |
        | the revocation endpoint                    |

    @ERR-03 @negative
    Scenario Outline: The texts hold the characters that they may, at <endpoint>
      Given <endpoint> was sent malformed requests
      Then each of its errors keeps to the characters that an error may hold

      Examples:
        | endpoint                                   |
        | the token endpoint                         |
        | the device authorization endpoint          |
        | the registration endpoint                  |
        | the pushed authorization request endpoint  |
        | the revocation endpoint                    |

    @ERR-08 @negative
    Scenario Outline: No cache keeps an error, at <endpoint>
      Given <endpoint> was sent malformed requests
      Then each of its errors may not be stored by a cache

      Examples:
        | endpoint                                   |
        | the token endpoint                         |
        | the device authorization endpoint          |
        | the registration endpoint                  |
        | the pushed authorization request endpoint  |
        | the revocation endpoint                    |

    @ERR-04 @negative
    Scenario Outline: Credentials that fail in the header are challenged, at <endpoint>
      When <endpoint> is sent credentials of an unknown client in the header
      Then they are challenged with 401

      Examples:
        | endpoint                                   |
        | the token endpoint                         |
        | the device authorization endpoint          |
        | the pushed authorization request endpoint  |
        | the revocation endpoint                    |

  Rule: No secret comes back (RFC 6749 §10.10)

    @ERR-06 @negative
    Scenario: An error does not repeat a secret
      When the endpoints are sent secrets that open nothing
      Then no answer repeats a secret

    @ERR-06 @negative
    Scenario: An error shows no stack trace
      When the endpoints are sent secrets that open nothing
      Then no answer shows a stack trace

  Rule: In all of the run

    @ERR-05 @expires
    Scenario: Error codes are registered, and the device grant's come for it alone
      Then every error code of the run is a registered one and in its place

    @ERR-07 @expires
    Scenario: Who is told to come later is told when
      Then whoever was told to come later was told when, as JSON
