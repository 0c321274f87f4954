Feature: The resource server learns of a token whether it is good, and nobody else learns anything
  Introspection is where every other promise about a token shows: it has to follow expiry and revocation at once
  (RFC 7662 §4), call a token that is not good inactive and say no more of it (RFC 7662 §2.2), find it under any hint, and
  answer only those who authenticate, or anybody could try tokens on it (RFC 7662 §2.1, §2.3).

  Rule: How it is asked

    @INT-01
    Scenario: Parameters that nobody knows are ignored
      Given a client token that introspects as active
      When the resource server introspects it, with a parameter that nobody knows
      Then it is told that the token is active

    @INT-01 @negative
    Scenario: A GET tells nothing
      Given a client token that introspects as active
      When the resource server asks with GET
      Then introspection is refused as a client's error

    @INT-01 @negative
    Scenario: A token has to be named
      Given a client token that introspects as active
      When the resource server introspects without naming a token
      Then introspection is refused as a client's error

    @INT-07
    Scenario Outline: A client token is found under the hint that <hint>
      Given a client token that introspects as active
      When the resource server introspects it, with the hint that <hint>
      Then it is told that the token is active

      Examples: hints that are wrong
        | hint                              |
        | it is a refresh token             |
        | it is of a type that nobody knows |

    @ASM-24
    Scenario: The metadata lists how the resource server authenticates
      Given a client token that introspects as active
      Then the metadata lists client_secret_basic among the authentication methods of introspection

    @INT-10
    Scenario: Introspection is offered over TLS
      Then the introspection endpoint is reached over TLS

    @INT-10
    Scenario: The token is sent on in no URL
      Given a client token
      When the resource server introspects it
      Then the token was taken where it was posted, and sent on in no URL

  Rule: Who may ask

    @INT-02 @negative
    Scenario Outline: Nobody learns anything <who>
      Given a client token
      When somebody introspects it <who>
      Then introspection is refused with 401 and a challenge
      And the resource server itself is told that the token is active

      Examples: callers
        | who                                              |
        | without credentials                              |
        | with a wrong secret                              |
        | by a name that nobody has                        |
        | with a client's access token as its only credential |

  Rule: What is told

    @INT-03
    Scenario: A good token is told active as a JSON boolean
      Given a client token
      When the resource server introspects it
      Then introspection answers with a JSON object and a boolean

    @INT-03
    Scenario: An unknown token is told inactive as a JSON boolean
      When the resource server introspects a token that nobody issued
      Then introspection answers with a JSON object and a boolean

    @INT-04 @negative
    Scenario Outline: There is no error for <token>
      Given a client token that introspects as active
      When the resource server introspects <token>
      Then it is told that the token is inactive

      Examples: tokens that are not active
        | token                           |
        | a token that nobody issued      |
        | a token with one letter changed |
        | a token that its client revoked |

    @INT-04 @negative @expires
    Scenario: There is no error for an expired token
      When the resource server introspects a token that has expired
      Then it is told that the token is inactive

    @INT-05 @negative
    Scenario Outline: Nothing else is told of <token>
      When the resource server introspects <token>
      Then it is told that the token is inactive, and nothing else

      Examples: tokens that are not active
        | token                           |
        | a token that nobody issued      |
        | a token that its client revoked |

    @INT-05 @negative @expires
    Scenario: Nothing else is told of an expired token
      When the resource server introspects a token that has expired
      Then it is told that the token is inactive, and nothing else

  Rule: What is told follows what happens to the token

    @INT-06 @negative
    Scenario Outline: A token is inactive as soon as <end>
      Given a client token that works and introspects as active
      And <end>
      When the resource server introspects it
      Then it is told that the token is inactive

      Examples: ends
        | end                                |
        | its client has revoked it          |
        | the grant behind it was revoked    |

    @INT-06 @negative @expires
    Scenario: A token is inactive as soon as it has expired
      Given a client token that worked and introspected as active
      And its time is over
      When the resource server introspects it
      Then it is told that the token is inactive
