Feature: A token response says what was granted, and grants no more
  What a client gets is told by RFC 6749 §5.1: each member once, and the scope wherever it is not the one asked for. The
  token itself cannot be guessed (RFC 6749 §10.10), is good for the approved resource alone (RFC 8707 §2) and carries the
  least privilege that the owner approved (RFC 9700 §2.3). A stolen token is worth what it says, so it must say little.

  Rule: The response says each thing once, and what is different from the request (RFC 6749 §5.1)

    @TOK-05
    Scenario: No member of a token response occurs twice
      Given the token response for one stream
      Then no member of the token response occurs twice

    @TOK-04
    Scenario: A token that was asked for without a scope is told its scope
      Given a client token for one stream
      Then the scope that it has is told

    @TOK-04 @negative
    Scenario: A token that was asked for with a scope that cannot be had is told its scope
      Given a client that may use the device grant
      When the client gets a token for the MCP resource although it asked with a scope that nobody knows
      Then the scope that it has is told, and not the one asked for

  Rule: The token is good for what was approved, and for nothing else

    @TOK-06 @expires
    Scenario: An access token has room for the bits that it must have
      Given the run has come by access tokens
      Then an access token has room for the bits that a credential must have

    @TOK-08
    Scenario: The audience is the approved resource
      Given a client token for one stream
      Then its audience is the MCP resource

    @TOK-09
    Scenario: A client token has the least privilege that was approved
      Given a client token for one stream
      Then it is granted what was approved, and no scope of the owner's

    @TOK-11
    Scenario: Where tokens can be bound to their client, they are
      Given a client token for one stream
      Then it is bound to its client, where the deployment offers that
