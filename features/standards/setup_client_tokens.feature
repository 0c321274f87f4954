@setup_client
Feature: A setup client asks for a token for one resource, and shows it to that one alone
  The client names the resource in both requests (RFC 8707 §2; MCP 2026-07-28 Authorization §Resource Parameter
  Implementation), sends the token in the header and to the resource that it was issued for (MCP 2026-07-28 Authorization
  §Token Requirements), keeps what an issuer gave it for that issuer, and asks for more scope when the resource says that
  it takes more, a few times at most.

  Background:
    Given the setup client comes by a credential where nothing is odd

  @TOK-12
  Scenario: Members of the token response that nobody knows are ignored
    When the setup client meets unknown members in the token response
    Then it has come by its credential

  @MCL-03
  Scenario: The resource is named in the device authorization request and in every poll
    When the setup client meets a server that does nothing odd
    Then it has named the resource in both kinds of request

  @MCL-04
  Scenario: The token travels in the header
    When the setup client meets a server that does nothing odd
    Then it has sent its token in the header of each request, and in no URL

  @MCL-05 @negative
  Scenario Outline: A token is shown to no other server with <servers>
    When the setup client meets <servers>
    Then it has shown no server what another one issued

    Examples:
      | servers                                |
      | two deployments one after the other    |
      | a resource that redirects to another   |

  @MCL-05 @negative
  Scenario: What an issuer gave is not used at the next one
    When the setup client meets a resource that has changed its authorization server
    Then it has used nothing of the old issuer's at the new one

  @MCL-06
  Scenario: More scope is asked for together with what was asked before
    When the setup client meets a resource that asks for more scope
    Then it has asked again, for the scopes read and write

  @MCL-06 @negative
  Scenario: More scope is not asked for without end
    When the setup client meets a resource that asks for more scope for ever
    Then it has asked a few times at most, and has ended
