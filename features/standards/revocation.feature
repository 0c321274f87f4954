Feature: A client can give its tokens back, and nobody else can take them
  Revocation is how a client that is removed, or that fears for its tokens, ends them: at once and everywhere, whatever type it
  says they are of (RFC 7009 §2.1), with the same answer for a token that is gone already (RFC 7009 §2.2). Who holds a token of
  another client must not be able to end it (RFC 7009 §2.1).

  Background:
    Given a client that may use the device grant

  Rule: A client revokes what it holds

    @REV-01
    Scenario: A refresh token can be revoked
      Given a refresh token that works
      When the client revokes it
      Then the token is revoked

    @REV-09
    Scenario: An access token can be revoked
      Given an access token that works
      When the client revokes it
      Then access tokens can be revoked

    @ASM-24
    Scenario: The metadata lists how a public client authenticates
      Given a refresh token that works
      When the client revokes it
      Then the metadata lists none among the authentication methods of revocation

    @REV-05
    Scenario: A revoked access token is refused at once
      Given an access token that works
      When the client revokes it
      Then the token is refused from then on
      And introspection calls it inactive

    @REV-05
    Scenario: A revoked refresh token is refused at once
      Given a refresh token that works
      When the client revokes it
      Then the token is refused from then on

    @REV-06
    Scenario: With the refresh token the access tokens of its grant go
      Given a refresh token that works
      And the access token that came with it works at the MCP resource
      And the client has revoked the refresh token
      Then the access token that came with it is refused at the MCP resource

    @REV-04
    Scenario Outline: An <kind> is found under the hint that <hint>
      Given an <kind> that can be revoked
      When the client revokes it, with the hint that <hint>
      Then the token is revoked

      Examples: hints that are wrong for an access token
        | kind         | hint                              |
        | access token | it is a refresh token             |
        | access token | it is of a type that nobody knows |

    @REV-04
    Scenario: A refresh token is found under the hint of another type
      Given a refresh token that can be revoked
      When the client revokes it, with the hint that it is an access token
      Then the token is revoked

  Rule: What is gone already, or of no use, is answered all the same

    @REV-03
    Scenario: A token that nobody issued is as good as revoked
      Given an access token that works
      When the client revokes a token that nobody issued
      Then the revocation is answered with 200

    @REV-03
    Scenario: A token can be revoked again
      Given a refresh token that works
      And the client has revoked the refresh token
      When the client revokes it
      Then the revocation is answered with 200

    @REV-07
    Scenario: A type of token that cannot be revoked is refused by that name
      Given an access token that works
      When the client revokes it
      Then it is revoked, or refused as a type of token that cannot be

  Rule: Nobody else can

    @REV-02 @negative
    Scenario Outline: An access token stays what it is when revoked by <who>
      Given an access token that works
      When it is revoked by <who>
      Then the revocation is refused, and the token still works

      Examples: who it was not issued to
        | who                         |
        | another client              |
        | a client that nobody knows  |
        | somebody without a client id |

    @REV-02 @negative
    Scenario: A refresh token stays what it is when revoked by another client
      Given a refresh token that works
      When it is revoked by another client
      Then the revocation is refused, and the token still works
