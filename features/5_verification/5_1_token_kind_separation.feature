@task-5.1 @focused
Feature: Owner-device and MCP-device tokens are separate kinds, everywhere
  The matrix of every credential against every surface. A cell that says served has to be served, or the refusals beside it
  prove nothing; every other cell has to be refused, and the refusal may tell nothing of the owner. Refresh tokens, codes
  and cookies are no access tokens anywhere.

  Background:
    Given a client that may use the device grant

  @PRO-04 @negative
  Scenario Outline: At the MCP resource, <credential> is <result>
    Given <credential>
    When it is used as a bearer at the MCP resource
    Then it is <result> there

    Examples: access tokens
      | credential      | result  |
      | a client token  | served  |
      | a package token | served  |
      | an owner token  | refused |

  @RSC-19 @negative
  Scenario Outline: At the MCP resource, <credential> is no access token
    Given <credential>
    And a client token is served at the MCP resource
    When it is used as a bearer at the MCP resource
    Then it is refused there

    Examples: what is no access token
      | credential              |
      | a refresh token         |
      | a device code           |
      | a user code             |
      | the owner's session     |

  @PRO-03 @negative
  Scenario Outline: At the owner's REST surface, <credential> is <result>
    Given <credential>
    And an owner token is served at the owner's REST surface
    When it is used as a bearer at the owner's REST surface
    Then it is <result> there

    Examples: everything but the owner token
      | credential          | result  |
      | an owner token      | served  |
      | a client token      | refused |
      | a package token     | refused |
      | a refresh token     | refused |
      | a device code       | refused |
      | a user code         | refused |
      | the owner's session | refused |

  @PRO-03 @negative
  Scenario Outline: At the owner's control surface, <credential> is <result>
    Given <credential>
    And an owner token is served at the owner's REST surface
    When it is used as a bearer at the owner's control surface
    Then it is <result> there

    Examples: everything but the owner token
      | credential          | result  |
      | an owner token      | served  |
      | a client token      | refused |
      | a package token     | refused |
      | a refresh token     | refused |
      | a device code       | refused |
      | a user code         | refused |
      | the owner's session | refused |

  @CHG-10
  Scenario Outline: <credential> introspects as kind <kind>
    Given <credential>
    When the resource server introspects it
    Then the token is active and of kind <kind>

    Examples: the kinds
      | credential      | kind   |
      | a client token  | client |
      | a package token | client |

  @CHG-09
  Scenario: An owner token introspects as kind owner
    Given an owner token
    When the resource server introspects it
    Then the token is active and of kind owner

  @INT-09 @negative
  Scenario Outline: <credential> does not introspect as an active access token
    Given <credential>
    When the resource server introspects it
    Then it is no active access token

    Examples: what is no access token
      | credential          |
      | a refresh token     |
      | a device code       |
      | a user code         |
      | the owner's session |
