@task-3.1 @focused
Feature: The kind of a device authorization request is stored with it
  One endpoint serves two kinds of request: a headless MCP client's, which ends in a grant-scoped client token, and a trusted
  owner agent's, which ends in an owner token. The kind is decided once, when the request is made, and stored with it.
  Nothing that anybody sends later, and no restart of the server, may turn one into the other: a mix-up hands a stranger the
  owner's whole life.

  Background:
    Given a client that may use the device grant

  Rule: What a code redeems to was decided when it was requested

    @PRO-01
    Scenario: A request with resource and authorization details becomes the MCP kind
      When the client requests a device authorization for the MCP resource
      And the owner approves it
      And the client redeems the device code
      Then the token is of kind client

    @PRO-01
    Scenario: A request with neither becomes the owner-agent kind
      When the client requests a device authorization as a trusted owner agent
      And the owner approves it
      And the client redeems the device code
      Then the token is of kind owner

    @PRO-01 @negative
    Scenario Outline: A request whose <parameter> is <defect> is of neither kind
      When the client requests a device authorization for the MCP resource, its <parameter> <defect>
      Then it is refused with invalid_request or invalid_target or invalid_authorization_details
      And no code comes of it

      Examples:
        | parameter             | defect  |
        | resource              | missing |
        | resource              | empty   |
        | authorization_details | missing |
        | authorization_details | empty   |

    @CHG-11 @negative
    Scenario Outline: An approved MCP code stays of its kind when the client adds <addition>
      Given an MCP device authorization that the owner approved
      When the client redeems the device code, adding <addition>
      Then no owner token comes of it
      And a token of kind client comes of the device code, now or at a plain redemption

      Examples:
        | addition                       |
        | another token kind             |
        | the owner scope                |
        | the owner-agent profile        |
        | other authorization details    |
        | empty authorization details    |

    @CHG-11 @negative
    Scenario Outline: An approved owner-agent code stays of its kind when the client adds <addition>
      Given an owner-agent device authorization that the owner approved
      When the client redeems the device code, adding <addition>
      Then no client token for the MCP resource comes of it

      Examples:
        | addition                       |
        | another token kind             |
        | the MCP resource               |
        | authorization details          |

  Rule: The stored kind survives the server

    @CHG-17
    Scenario Outline: A code of the <kind> kind redeems to its own kind after a restart <moment>
      Given a device authorization of the <kind> kind
      When the server is restarted <moment>
      Then the code redeems to a token of kind <token kind>

      Examples:
        | kind        | moment          | token kind |
        | MCP         | before approval | client     |
        | MCP         | after approval  | client     |
        | owner-agent | before approval | owner      |
        | owner-agent | after approval  | owner      |
