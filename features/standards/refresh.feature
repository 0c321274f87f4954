Feature: A refresh token goes on for its client what the owner granted, and gives a thief away
  A refresh token outlives every access token, so a public client's is replaced at each use, and one that comes back a second
  time ends its whole family (OAuth 2.1 §4.3.1, RFC 9700 §4.14.2). It is bound to the client, the scope and the resources that
  the owner consented to (RFC 6749 §6, RFC 8707 §2.2), ends with the grant, and is no access token (RFC 6749 §1.5).

  Background:
    Given a client that may use the device grant

  Rule: Each refresh token works once

    @REF-01
    Scenario: A refresh gives a new refresh token
      Given a client token with a refresh token that nobody has used
      When the client refreshes
      Then it gets a new refresh token, or tokens that are bound to it

    @REF-02 @negative
    Scenario: A refresh token that comes back ends its family
      Given a client that has refreshed its token
      When the client uses the old refresh token again
      Then it is refused with invalid_grant
      And the new refresh token is refused with invalid_grant, too

  Rule: Clients can know of it

    @ASM-23
    Scenario: The metadata lists the grant that a client can use
      Given a client that has refreshed its token
      Then the metadata lists the refresh-token grant type

  Rule: A refresh gives no more than was granted

    @TOK-10
    Scenario: A refreshed token is for the same client, scope, grant and resource
      Given a client token with a refresh token that nobody has used
      When the resource server introspects it
      And the client refreshes
      Then the refreshed token is bound to what the owner consented to, and reads nothing else

    @REF-03 @negative
    Scenario: More scope is refused
      Given a client that has refreshed its token
      When the client refreshes and asks for more scope
      Then nothing is widened: it is refused with invalid_scope

    @REF-03 @negative
    Scenario Outline: Wider authorization details are refused, <more>
      Given a client that has refreshed its token
      When the client refreshes and asks for <more>
      Then nothing is widened: it is refused with invalid_authorization_details or invalid_scope

      Examples: what is more
        | more            |
        | one stream more |
        | every stream    |

    @REF-05
    Scenario: The approved resource may be named
      Given a client that has refreshed its token
      When the client refreshes and asks for the approved resource
      Then it gets a token that the MCP resource serves

    @REF-05 @negative
    Scenario Outline: Another resource is refused, <resource>
      Given a client that has refreshed its token
      When the client refreshes and asks for <resource>
      Then it is refused with invalid_target
      And the refresh token is still good for its client

      Examples: resources
        | resource                          |
        | another resource                  |
        | the approved resource and another |
        | a resource of somebody else       |

  Rule: A refresh token is its client's, and no access token

    @REF-04 @negative
    Scenario: Another client cannot use it
      Given a client that has refreshed its token
      When another client refreshes with that refresh token
      Then it is refused with invalid_grant
      And the refresh token is still good for its client

    @REF-07 @negative
    Scenario: An access token refreshes nothing
      Given a client that has refreshed its token
      When the client refreshes with its access token
      Then it is refused with invalid_grant
      And the refresh token is still good for its client

    @REF-07 @negative
    Scenario: A refresh token opens nothing
      Given a refresh token
      And a client token is served at the MCP resource
      When it is used as a bearer at the MCP resource
      Then it is refused there

  Rule: A refresh token ends

    @REF-06 @negative
    Scenario: It ends with its grant
      Given a client that has refreshed its token
      And the grant behind its tokens was revoked
      When the client refreshes with its newest refresh token
      Then it is refused with invalid_grant

    @REF-08 @negative @expires @idle
    Scenario: It ends when nobody uses it
      Given a client that has refreshed its token
      And the refresh token was left unused
      When the client refreshes with its newest refresh token
      Then it is refused with invalid_grant
