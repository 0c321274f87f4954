@task-5.5 @live_gate
Feature: Live verification, inside a declared window
  After a deploy the stack that holds a real person's data is verified as it runs: the metadata of both servers (2.1, 2.2),
  the device smoke (5.2) and the rejection of owner tokens (5.3), which the tag live_gate selects together with this file.
  One verification at a time: the run declares a window, and whoever comes meanwhile is turned away. It cleans up after
  itself, and says what it could not remove.

  Background:
    Given the run holds the deployment's verification window

  @CHG-02 @negative
  Scenario: Where a client token is served, an owner token of the same window is refused
    Given an owner token
    And an owner token is served at the owner's REST surface
    And a client token is served at the MCP resource
    When the owner token is used at the MCP resource for listing the tools
    Then it is refused with the owner-token error, which points to owner-agent REST
    And nothing of the owner is told
