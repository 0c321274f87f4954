Feature: The MCP resource serves its own access tokens and nothing else
  It takes a token from the Authorization header alone (OAuth 2.1 §5.1; MCP Authorization, Token Requirements), serves
  it only while it is in force and was issued for this resource by an authorization server that its metadata names
  (MCP Authorization, Token Handling; RFC 8707 §2; RFC 9700 §2.3), and lets out nothing to anybody else. A refusal
  leaves the tokens that are in force as they were.

  Background:
    Given the MCP resource serves a client token

  Rule: Nothing is served without a token

    @RSC-01 @negative
    Scenario Outline: Without a token, <request> is refused
      When a client without a token turns to the MCP resource for <request>
      Then it is refused with 401, and the client token is served as before

      Examples: requests
        | request             |
        | the handshake       |
        | listing the tools   |
        | calling a tool      |
        | a stateless request |

    @RSC-01 @negative
    Scenario: Credentials of another scheme are no token
      When a client presents credentials of another scheme at the MCP resource
      Then it is refused with 401, and the client token is served as before

    @RSC-01 @negative
    Scenario: A token in a form is no token
      When a client presents a live token in a form
      Then it is refused as without the form, and the client token is served as before

  Rule: What looks like a token is none

    @RSC-06 @negative
    Scenario Outline: <credentials> is refused
      When a client presents <credentials> at the MCP resource
      Then it is refused with 401, and the client token is served as before

      Examples: tokens that nobody issued
        | credentials                      |
        | a token that nobody issued       |
        | the first half of a live token   |
        | a live token with more behind it |

    @RSC-06 @negative
    Scenario: A token that breaks the syntax is refused
      When a client presents a malformed token at the MCP resource
      Then it is refused as malformed, and the client token is served as before

    @RSC-06 @negative
    Scenario: A live token with one character changed is refused
      When a client presents variations of a live token, each with one character changed
      Then each of them is refused with 401, and the client token is served as before

    @RSC-10 @negative
    Scenario Outline: A token <how> is refused
      Given a token that nobody issued is refused at the MCP resource
      When a client presents a token <how>, naming the issuer and the grant of a live one
      Then it is refused with 401, and the client token is served as before

      Examples: how it was made
        | how                                            |
        | that is signed with a key of its maker         |
        | that is signed with a key that it brings along |
        | that is not signed                             |
        | that another issuer signed                     |

  Rule: A token ends

    @RSC-07 @negative @expires
    Scenario: An expired token is refused, and the client told to refresh
      When a client presents a token whose time is over
      Then it is refused with 401 as an invalid token, and a fresh client token is served

    @RSC-08 @negative
    Scenario Outline: <token> is refused at once
      When a client presents <token>, right after that
      Then it is refused as an invalid token from then on, while another client token is served

      Examples: ways to end a token
        | token                            |
        | a token that its client revoked  |
        | a token whose grant was revoked  |
        | a token whose client was removed |

  Rule: A token is for one resource

    @RSC-09 @negative
    Scenario Outline: <token> is refused at the MCP resource
      When a client presents <token>, which is for another resource
      Then it is refused, and the client token is served as before

      Examples: tokens for other resources
        | token                                              |
        | the owner's token                                  |
        | a client token that was asked for another resource |

  Rule: A token stands in the header, once

    @RSC-14
    Scenario Outline: The scheme may be written <scheme>
      When a client presents its live token under the scheme <scheme>
      Then it is served

      Examples: spellings
        | scheme |
        | bearer |
        | BEARER |
        | bEaReR |

    @RSC-13 @negative
    Scenario Outline: A live token in the query is not looked at, beside <header>
      Given the MCP resource refuses a client without a token
      And a token that nobody issued is refused at the MCP resource
      When a client puts a live token into the query, and <header> into the header
      Then it is refused as without the query, and the client token is served as before

      Examples: what stands in the header
        | header                     |
        | nothing                    |
        | a token that nobody issued |

    @RSC-13
    Scenario: A token in the query does no harm to the one in the header
      When a client puts a token that nobody issued into the query, and a live token into the header
      Then it is served as without the query

    @RSC-15 @negative
    Scenario Outline: Two tokens are one too many, <credentials>
      When a client presents <credentials> at the MCP resource
      Then it is refused as an invalid request, and the client token is served as before

      Examples: two in the header
        | credentials                               |
        | a live token twice                        |
        | a live token and one that nobody issued   |
        | a token that nobody issued and a live one |

    @RSC-15 @negative
    Scenario: A live token in the header and in a form is one too many
      When a client presents a live token in the header and in a form
      Then it is refused as an invalid request, and the client token is served as before

  Rule: A refusal says of what kind it is

    @PRO-14 @negative
    Scenario Outline: The refusal of <credentials> says of what kind it is
      When a client presents <credentials> at the MCP resource
      Then the error code in the body fits the status

      Examples: who is refused
        | credentials                     |
        | no token                        |
        | a token that nobody issued      |
        | a token that its client revoked |
        | an owner token                  |

    @PRO-14 @negative
    Scenario: The refusal of an owner token says what to do next
      When a client presents an owner token at the MCP resource
      Then the body of the refusal names the next step

  Rule: A refusal tells nothing of the owner

    @RSC-22 @negative
    Scenario Outline: Nothing of the owner stands in the refusal of <credentials>
      Given a client token reads records at the MCP resource
      When a client asks for the same records with <credentials>
      Then the refusal tells nothing of the owner

      Examples: who may not read them
        | credentials                |
        | no token                   |
        | a token that nobody issued |
        | an owner token             |
