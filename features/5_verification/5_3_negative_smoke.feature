@task-5.3 @live_gate @focused
Feature: The negative smoke: an owner token is rejected at /mcp
  The other half of the gate: an owner-agent device token, fresh and valid, is refused by the MCP resource with the
  owner-token error, whatever it is used for, while the same token works at the owner's REST surface.

  Background:
    Given an owner token
    And an owner token is served at the owner's REST surface

  @CHG-02 @negative
  Scenario Outline: The owner token is refused at the MCP resource for <request>
    When the owner token is used at the MCP resource for <request>
    Then it is refused with the owner-token error, which points to owner-agent REST
    And nothing of the owner is told

    Examples:
      | request               |
      | the handshake         |
      | listing the tools     |
      | calling a tool        |
      | opening a stream      |
      | a stateless request   |

  @CHG-09 @negative
  Scenario: The official MCP client gets nowhere with an owner token
    When the official MCP client connects with the owner token
    Then it gets neither tools nor records

  @CHG-02 @negative
  Scenario: The refusal leaves the owner token as it was
    When the owner token is used at the MCP resource for listing the tools
    Then it is refused there
    And the owner token still works at the owner's REST surface
