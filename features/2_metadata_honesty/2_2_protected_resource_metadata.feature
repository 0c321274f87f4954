@task-2.2 @live_gate
Feature: Protected resource metadata keeps MCP setup and owner-agent onboarding apart
  The owner's REST surface and the MCP resource are two resources with two documents (RFC 9728). An agent that reads the
  MCP resource's document must find grant-scoped setup there and no trace of owner-agent onboarding; an agent that reads the
  root document must see that owner-agent onboarding ends in a token that /mcp rejects. What both say has to agree with the
  authorization server metadata, word for word.

  Rule: Clients find the documents, and may believe them

    @PRM-01
    Scenario: The MCP resource has protected resource metadata
      When a client looks for the protected resource metadata of the MCP resource
      Then it finds a document

    @PRM-02
    Scenario: The metadata can be found from the MCP URL alone
      When a client looks for the protected resource metadata as MCP tells it to
      Then at least one of the ways leads to it

    @PRM-03
    Scenario: The well-known location is built by insertion
      Given the protected resource metadata of the MCP resource
      Then the well-known location inserted between host and path of the MCP resource serves it

    @PRM-04
    Scenario: The metadata of the MCP resource is one JSON object
      When a client looks for the protected resource metadata of the MCP resource
      Then it was served as a JSON object

    @PRM-05
    Scenario Outline: The identifier of the <which> resource is an https URL without a fragment
      Given the protected resource metadata of the <which> resource
      Then its resource is an https URL with no fragment

      Examples:
        | which |
        | MCP   |
        | root  |

    @PRM-06
    Scenario: The resource identifier carries no query
      Given the protected resource metadata of the MCP resource
      Then its resource carries no query

    @PRM-07
    Scenario: The resource is exactly the identifier that the location was built from
      Given the protected resource metadata of the MCP resource
      Then its resource is the identifier that its well-known location was built from

    @PRM-08
    Scenario: The resource is exactly the URL that was challenged
      Given the MCP resource challenges a client without a token
      Then the metadata that the challenge names describes exactly the URL that the client asked for

    @PRM-09
    Scenario: The metadata names the authorization server
      Given the protected resource metadata of the MCP resource
      Then it names at least one authorization server

    @PRM-10
    Scenario Outline: Each authorization server that the <which> resource names is one
      Given the protected resource metadata of the <which> resource
      Then each authorization server that it names serves metadata with exactly that issuer

      Examples:
        | which |
        | MCP   |
        | root  |

    @PRM-11
    Scenario Outline: Members without elements are left out of the metadata of the <which> resource
      Given the protected resource metadata of the <which> resource
      Then no member but bearer_methods_supported is an empty array

      Examples:
        | which |
        | MCP   |
        | root  |

    @PRM-14
    Scenario Outline: Bearers go to the <which> resource in the header and never in the query
      Given the protected resource metadata of the <which> resource
      Then its bearer methods include header and not query

      Examples:
        | which |
        | MCP   |
        | root  |

    @PRM-17
    Scenario: The metadata is open to a client that knows nothing yet
      When a client looks for the protected resource metadata of the MCP resource
      Then it is served without credentials

    @MET-06 @negative
    Scenario: A hostile Host header does not reach the resource metadata
      Given the protected resource metadata of the MCP resource
      When it is asked for under a hostile host
      Then the hostile host appears nowhere in the answer

  Rule: The MCP resource speaks of grant-scoped client tokens only

    @MET-11
    Scenario: The MCP resource takes client tokens and never owner tokens
      Given the protected resource metadata of the MCP resource
      Then its token kinds include client and exclude owner

    @MET-12
    Scenario: The MCP resource does not advertise owner-agent onboarding
      Given the protected resource metadata of the MCP resource
      Then it carries no owner-agent onboarding

    @MET-13
    Scenario: Agents are told that MCP setup is grant-scoped reading without an owner token
      Given the agent discovery of the MCP resource
      Then it says
        | advisory           | true                     |
        | mcp.transport      | streamable_http          |
        | mcp.tool_surface   | profile_free_normal_read |
        | mcp.setup_intent   | grant_scoped_read        |
        | mcp.no_owner_token | true                     |
        | cli.no_owner_token | true                     |
      And its MCP endpoint is the MCP resource

    @MET-13
    Scenario: Agents that have only the MCP resource's own document are told, too
      Given the protected resource metadata of the MCP resource
      Then it carries the agent discovery block

    @MET-14
    Scenario: Agents with a browser are told of authorization code with PKCE
      Given the agent discovery of the MCP resource
      Then under authorization_code_pkce it says
        | pdpp_token_kind    | client   |
        | resource_parameter | required |
      And under authorization_code_pkce it names the MCP resource
      And under authorization_code_pkce it leads to the authorization_endpoint
      And under authorization_code_pkce it names its flow

    @MET-15
    Scenario: Headless agents are told of grant-scoped device authorization
      Given the agent discovery of the MCP resource
      Then under device_code it says
        | flow                  | device_code                                  |
        | grant_type            | urn:ietf:params:oauth:grant-type:device_code |
        | pdpp_token_kind       | client                                       |
        | owner_bearer_accepted | false                                        |
      And under device_code it names the MCP resource
      And under device_code it requires client_id, resource and authorization_details
      And under device_code it leads to the device_authorization_endpoint
      And under device_code it leads to the token_endpoint
      And under device_code it names its authorization_details_type

    @MET-16
    Scenario: The owner agent's device flow stands apart
      Given the agent discovery of the MCP resource
      Then under owner_agent_device_code it says
        | flow                      | device_code                 |
        | pdpp_token_kind           | owner                       |
        | normal_mcp_setup          | false                       |
        | advertised_in             | pdpp_owner_agent_onboarding |
        | mcp_owner_bearer_rejected | true                        |

    @MET-19
    Scenario: Whatever agents are linked to resolves
      Given the agent discovery of the MCP resource
      Then every document that it links to resolves

  Rule: The root resource tells owner-agent onboarding for what it is

    @MET-10
    Scenario: The root resource takes tokens of both kinds
      Given the protected resource metadata of the root resource
      Then its token kinds include owner and client
      And it names the query base

    @MET-17
    Scenario: Owner-agent onboarding says what its token is and where it is refused
      Given the owner-agent onboarding of the root resource
      Then it says
        | advisory                  | true                |
        | profile                   | trusted_owner_agent |
        | pdpp_token_kind           | owner               |
        | mcp_owner_bearer_rejected | true                |
      And it carries a warning
      And it leads to the owner's streams and their schema

    @PRM-12
    Scenario: The root resource has a name
      Given the protected resource metadata of the root resource
      Then it has a name

    @MET-17
    Scenario: Owner-agent onboarding leads through the whole of it
      Given the owner-agent onboarding of the root resource
      Then it leads to where an owner agent asks, where the owner approves, and where the token is got and used

  Rule: The documents agree

    @MET-18
    Scenario Outline: <block> agrees with the authorization server metadata
      Given the authorization server metadata
      And the protected resource metadata of the MCP resource
      Then what <block> says of issuer, resource and endpoints is what the authorization server metadata says

      Examples:
        | block                                                       |
        | the authorization-code setup                                |
        | the device-code setup                                       |
        | the authorization-code setup, as the root resource tells it |
        | the device-code setup, as the root resource tells it        |
        | the owner-agent onboarding                                  |

    @ASM-18
    Scenario: The two servers name each other
      Given the authorization server metadata
      And the protected resource metadata of the MCP resource
      Then the protected resources that the authorization server lists, if any, include the MCP resource
