Feature: A grant means the same whichever flow carried it, and ends whole
  Device authorization is a transport into the grants that the authorization-code flow makes, no second kind of grant. So
  both give tokens of equal power and lifetime for the same approval (RFC 9396 §7, RFC 9700 §2.3), a single-use grant is
  single-use on both, and whoever revokes a grant revokes its tokens, its refresh token and nothing else (RFC 7009 §2.1).
  What opens a grant never stands in a log (RFC 6749 §10).

  Rule: Device path and code path give the same token

    @PRO-08
    Scenario: The token responses of both paths tell the same
      Given the tokens that one client got for the same stream by device code and by authorization code
      Then both token responses tell the same type, lifetime, resource and grant, and renew alike

    @PRO-08
    Scenario: Introspection tells the same of the tokens of both paths
      Given the tokens that one client got for the same stream by device code and by authorization code
      When the resource server introspects both
      Then it learns the same kind, audience, owner, grant and lifetime of both

    @PRO-08 @negative
    Scenario: The tokens of both paths open the same
      Given the tokens that one client got for the same stream by device code and by authorization code
      When the client uses each at the MCP resource and at the owner's REST surface
      Then each reads the granted stream, and neither another stream nor the owner's REST surface

  Rule: A single-use grant is one on the device path, too

    @PRO-09
    Scenario: A single-use grant comes without a refresh token
      Given a single-use client token that a device got
      Then it is told as single-use, with its retention, and comes without a refresh token

    @PRO-09
    Scenario: A single-use token is good for as many readings by either path
      Given the single-use tokens that one client got by device code and by authorization code
      When the client reads the granted stream twice with each
      Then the first reading succeeds, and both paths give the same

    @PRO-09 @negative @expires
    Scenario: A single-use token that a device got ends by itself
      Given a single-use client token that a device got and that worked
      When it has expired
      Then it is over at the MCP resource and at introspection

  Rule: A grant ends with all its tokens, and alone

    @PRO-06 @negative
    Scenario: Revoking a grant ends its access token and its refresh token and no other grant's
      Given two grants of one client whose tokens work
      When the first grant is revoked
      Then its access token is refused at the MCP resource
      And its refresh token gives no more tokens
      And the other grant's tokens and the owner's still work

    @PRO-06 @negative
    Scenario: Revoking a refresh token leaves other grants alone
      Given two grants of one client whose tokens work
      When the client revokes the refresh token of the first
      Then its refresh token gives no more tokens
      And the other grant's tokens and the owner's still work

  Rule: No log holds what opens a grant

    @PRO-10 @expires
    Scenario: The server's log tells of requests, and holds no code, token, password or credential
      Given a server whose log can be read
      When codes, tokens and credentials are used once more, in time and in vain
      Then the log has grown
      And nothing in it opens anything
