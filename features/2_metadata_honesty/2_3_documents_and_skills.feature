@task-2.3
Feature: Documents and skills tell the two kinds of device authorization apart
  One endpoint starts two things: grant-scoped device authorization for headless MCP clients, and the onboarding of an owner
  agent. An agent that reads the wrong advice asks the owner for everything they have, and gets it. So every document that an
  agent or a person may read first says which token each ends in and that /mcp rejects owner tokens; and what the documents
  list is what the deployment has.

  Rule: The documents of the repository say which token is which

    @DOC-05
    Scenario Outline: <document> says that headless clients get client tokens
      Given <document>
      Then it tells readers that grant-scoped device authorization issues client tokens

      Examples:
        | document                      |
        | the hosted MCP setup document |
        | the headless setup document   |
        | the data-access skill         |
        | the owner-agent skill         |
        | the overview for agents       |

    @DOC-06
    Scenario Outline: <document> says that owner agents get owner tokens
      Given <document>
      Then it tells readers that owner-agent device authorization issues owner tokens

      Examples:
        | document                      |
        | the hosted MCP setup document |
        | the headless setup document   |
        | the data-access skill         |
        | the owner-agent skill         |
        | the overview for agents       |

    @DOC-07
    Scenario Outline: <document> says that /mcp rejects owner tokens
      Given <document>
      Then it tells readers that /mcp rejects owner tokens

      Examples:
        | document                      |
        | the hosted MCP setup document |
        | the headless setup document   |
        | the data-access skill         |
        | the owner-agent skill         |
        | the overview for agents       |

    @CHG-06
    Scenario Outline: The owner-agent skill is labelled for what it is, <statement>
      Given the owner-agent skill
      Then it tells readers that <statement>

      Examples:
        | statement                                                       |
        | owner-agent onboarding is owner-level local automation for /v1 |
        | /mcp rejects that bearer by design                              |

  Rule: What the deployment gives agents to read says the same

    @DOC-05
    Scenario: Agents are told that headless clients get client tokens
      Given what the deployment gives agents and people to read
      And grant-scoped device authorization is advertised
      Then it somewhere tells readers that grant-scoped device authorization issues client tokens

    @DOC-06
    Scenario: Agents are told that owner agents get owner tokens
      Given what the deployment gives agents and people to read
      Then it somewhere tells readers that owner-agent device authorization issues owner tokens

    @DOC-07
    Scenario: Agents are told that /mcp rejects owner tokens
      Given what the deployment gives agents and people to read
      Then it somewhere tells readers that /mcp rejects owner tokens

    @CHG-06
    Scenario Outline: Agents are told what owner-agent onboarding is, <statement>
      Given what the deployment gives agents and people to read
      Then it somewhere tells readers that <statement>

      Examples:
        | statement                                                       |
        | owner-agent onboarding is owner-level local automation for /v1 |
        | /mcp rejects that bearer by design                              |

    @DOC-08 @negative
    Scenario: Nothing offers an owner token as MCP setup
      Given what the deployment gives agents and people to read
      Then no sentence of it offers owner credentials as MCP setup

  Rule: What they say can be followed, and is so

    @DOC-09
    Scenario: The documents of the repository lead to one another
      Given the documents of the repository
      Then each link between them leads to a document

    @DOC-09
    Scenario: The links of what is served resolve
      Given what the deployment gives agents and people to read
      Then each of its links to the deployment resolves

    @DOC-11
    Scenario: The tools that are documented are those that there are
      Given what the deployment gives agents and people to read
      And the tools that the MCP server lists
      Then a document that lists tools lists exactly those

    @DOC-12
    Scenario: The errors that are documented are those that a polling device is told
      Given what the deployment gives agents and people to read
      And the errors that a device is told that polls too early, with a wrong code, as nobody, and after a denial
      Then a document that lists errors of polling has each of them and invents none

    @DOC-13
    Scenario: The endpoints that are documented are where the metadata says
      Given what the deployment gives agents and people to read
      Then each endpoint that it names is where the metadata says
