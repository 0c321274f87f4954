Feature: A refusal tells a client what to do next
  From the challenge a client learns where the metadata of the resource is (RFC 9728 §5.1), what is wrong with its
  token and which scopes it needs (RFC 6750 §3, §3.1; MCP Authorization, Scope Challenge Handling). It learns that
  from a challenge that follows the grammar (RFC 9110 §11), says each thing once, and speaks of no error where no
  token was sent.

  Background:
    Given the MCP resource serves a client token

  Rule: Who is refused for want of a token is challenged

    @RSC-02 @negative
    Scenario Outline: The refusal of <credentials> carries a Bearer challenge
      When a client presents <credentials> at the MCP resource
      Then the refusal carries a Bearer challenge with at least one parameter

      Examples: credentials that are not enough
        | credentials                |
        | no token                   |
        | a token that nobody issued |
        | a malformed token          |

    @RSC-03 @negative
    Scenario: A client whose token is not known is told where to start over
      When a client presents a token that nobody issued at the MCP resource
      Then the challenge leads to the metadata of the MCP resource

    @RSC-16 @negative
    Scenario Outline: The challenge to <credentials> says each thing once
      When a client presents <credentials> at the MCP resource
      Then the challenge names no parameter twice, and each with characters it may have

      Examples: credentials that are challenged
        | credentials                               |
        | no token                                  |
        | a token that nobody issued                |
        | a malformed token                         |
        | a token with quotes and backslashes in it |

    @RSC-16 @negative
    Scenario: The challenge to an owner token says each thing once
      Given the challenge to an owner token at the MCP resource
      Then the challenge names no parameter twice, and each with characters it may have

  Rule: The challenge says what is wrong with a token, if there is one

    @RSC-05 @negative
    Scenario: Who sent no token is told of no error
      When a client presents no token at the MCP resource
      Then the challenge names no error

    @RSC-28 @negative
    Scenario Outline: Who sent <credentials> is told that the token is invalid
      When a client presents <credentials> at the MCP resource
      Then the challenge calls the token invalid

      Examples: tokens that are of no use
        | credentials                     |
        | a token that nobody issued      |
        | a malformed token               |
        | a token that its client revoked |

  Rule: The challenge says which scopes it takes

    @RSC-04
    Scenario: Who has no token yet is told the scopes to ask for
      When a client presents no token at the MCP resource
      Then the challenge names scopes that a client token can have

    @RSC-11 @negative
    Scenario: A token of another scope is refused with what it lacks
      When a token that lacks a scope is used to call a tool
      Then it is refused for its scope, with the scopes that it takes and where the metadata is

    @RSC-11 @negative
    Scenario: A client token at the owner's surface is refused for what it lacks
      Given a client token for one stream
      And the owner token works at the owner's streams
      When the client token is used at the owner's streams
      Then its challenge says why it is refused

    @RSC-12 @negative
    Scenario: One challenge names all the scopes that a call takes
      When a token that lacks a scope is used to call a tool
      Then a token of the scopes that the challenge names is asked for no others

    @RSC-21 @negative
    Scenario Outline: Access while the owner is away is no scope to ask <credentials> for
      When a client presents <credentials> at the MCP resource
      Then the challenge leaves offline access out

      Examples: who is told scopes
        | credentials                |
        | no token                   |
        | a token that nobody issued |

    @RSC-27 @negative
    Scenario: Who lacks a scope is told where the metadata is, too
      When a token that lacks a scope is used to call a tool
      Then the refusal leads to the metadata of the MCP resource, too
