@task-3.5 @focused
Feature: Owner-agent device authorization still works, and its token still fails at /mcp
  The owner may set up a trusted local agent for everything, knowingly. That flow keeps working: without resource and
  authorization_details the endpoint gives owner-agent codes, the page says what that means, and the token opens the owner's
  REST surface. It never opens the MCP resource, which points its holder to the owner-agent REST surface instead.

  Background:
    Given a client that may use the device grant

  @CHG-09
  Scenario: An owner-agent code that the owner approves redeems to an owner token
    Given a device authorization of the owner-agent kind
    When the owner approves it
    And the client redeems the device code
    Then the answer holds an active token of kind owner

  @CHG-09
  Scenario: An owner token carries no grant
    Given an owner token
    When the resource server introspects it
    Then neither the token response nor introspection tells a grant

  @CHG-09
  Scenario Outline: The owner token works at <surface>
    Given an owner token
    When the owner token is used at <surface>
    Then it is served there

    Examples:
      | surface                     |
      | the owner's streams         |
      | the owner's records         |
      | the owner's schema          |
      | the owner's control surface |

  @CHG-02 @negative
  Scenario: The owner token is refused at the MCP resource and pointed to owner-agent REST
    Given an owner token
    When the owner token is used at the MCP resource
    Then it is refused with the owner-token error, which points to owner-agent REST

  @CHG-16
  Scenario Outline: The decision page of an owner-agent request says <statement>
    Given the decision page of an owner-agent request
    Then the page says <statement>

    Examples:
      | statement                                          |
      | that it is owner-agent onboarding                  |
      | that the bearer has owner-level access             |
      | nothing of MCP but that /mcp rejects the bearer    |

  @UIX-16
  Scenario: A denied owner-agent code never becomes a token
    Given an owner-agent device authorization that the owner denied
    When the client polls
    Then it is refused with access_denied
    And there is no token in the answer
