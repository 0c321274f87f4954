@task-5.2 @live_gate @focused
Feature: The device smoke, end to end
  Device request, owner approval at a real browser, token polling, and an MCP client that lists the tools and calls one: the
  one thing a maintainer wants to see work before the owner gate.

  Background:
    Given a client that may use the device grant

  @CHG-01
  Scenario: From device request to tools/list
    When the client requests a device authorization for the MCP resource
    And the client polls
    And the owner approves it
    And the client waits its interval and polls
    Then the answer is 200 with an access token
    And the MCP resource lists its tools to that token

  @CHG-01
  Scenario Outline: The official MCP client works with the token, <era>
    Given a client token for one stream
    When the official MCP client connects with it, <era>, lists the tools and queries the granted stream
    Then it gets the tools and the records

    Examples:
      | era                |
      | with the handshake |
      | stateless          |

  @RSC-03 @negative
  Scenario: A client without a token is told where to start
    When a client without a token turns to the MCP resource
    Then it is challenged with 401 and pointed to the protected resource metadata
