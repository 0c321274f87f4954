@task-4.3
Feature: Setup guidance recommends the path that fits the client
  Somebody wants to connect a client and looks for how. If a browser can call the client back, authorization code + PKCE is the
  way; if it cannot, grant-scoped device authorization is. The owner agent's path looks like the second and is for neither. The
  setup documents and the console's connect page are where people decide, so each of them has to say all three.

  Rule: The setup documents recommend one path for each kind of client

    @CHG-03
    Scenario Outline: <document> recommends the right path, <statement>
      Given <document>
      Then it tells readers that <statement>

      Examples:
        | document                      | statement                                                                        |
        | the hosted MCP setup document | browser-capable clients use authorization code + PKCE                            |
        | the hosted MCP setup document | headless clients use grant-scoped device authorization                           |
        | the hosted MCP setup document | owner-agent credentials are owner-level REST credentials and no MCP credentials |
        | the headless setup document   | browser-capable clients use authorization code + PKCE                            |
        | the headless setup document   | headless clients use grant-scoped device authorization                           |
        | the headless setup document   | owner-agent credentials are owner-level REST credentials and no MCP credentials |

    @DOC-08 @negative
    Scenario: No setup document offers an owner token as MCP setup
      Given the documents of the repository
      Then no sentence of them offers owner credentials as MCP setup

    @DOC-10
    Scenario: The documented commands exist
      Given the documents of the repository
      Then each command in them exists, and its help knows the options that are documented

  Rule: The deployment's own guidance and its connect page recommend the same

    @CHG-03
    Scenario Outline: Agents are told the right path, <statement>
      Given what the deployment gives agents and people to read
      Then it somewhere tells readers that <statement>

      Examples:
        | statement                                                                        |
        | browser-capable clients use authorization code + PKCE                            |
        | owner-agent credentials are owner-level REST credentials and no MCP credentials |

    @CHG-03
    Scenario Outline: The connect page recommends the right path, <statement>
      Given the console's connect page
      Then it tells readers that <statement>

      Examples:
        | statement                                                                        |
        | browser-capable clients use authorization code + PKCE                            |
        | owner-agent credentials are owner-level REST credentials and no MCP credentials |

    @CHG-03
    Scenario: Agents without a browser are told of the headless path where there is one
      Given what the deployment gives agents and people to read
      And grant-scoped device authorization is advertised
      Then it somewhere tells readers that headless clients use grant-scoped device authorization

    @CHG-03
    Scenario: People without a browser are told of the headless path where there is one
      Given the console's connect page
      And grant-scoped device authorization is advertised
      Then it tells readers that headless clients use grant-scoped device authorization
