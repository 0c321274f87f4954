@task-2.1 @live_gate
Feature: Authorization server metadata is honest about token kinds
  A client decides from metadata alone which flow it starts. If the metadata let it believe that the trusted owner
  agent's device flow is a way to set up MCP, somebody would approve a stranger for everything. The change therefore asks
  that device authorization is described with the kind of token it ends in, and that the owner-agent flow is never implied
  to be normal MCP setup. The rest of the document has to be what RFC 8414 and RFC 8628 §4 say, or clients will not
  believe it.

  Rule: Clients find the document, and may believe it

    @ASM-01
    Scenario: The authorization server metadata can be found
      When a client looks for the authorization server metadata
      Then it finds a document

    @ASM-03
    Scenario: The authorization server metadata is one JSON object
      When a client looks for the authorization server metadata
      Then it was served as a JSON object

    @ASM-02
    Scenario: The metadata stands at the well-known location of the issuer
      Given the authorization server metadata
      Then the well-known location built from the issuer serves the same document

    @ASM-05
    Scenario: The issuer is exactly the identifier that the location was built from
      Given the authorization server metadata
      Then its issuer is the authorization server that the MCP resource names

    @ASM-04
    Scenario: The issuer is a plain https URL
      Given the authorization server metadata
      Then its issuer is an https URL with no query and no fragment

    @ASM-09
    Scenario: Members without elements are left out
      Given the authorization server metadata
      Then no member is an empty array

    @MET-06 @negative
    Scenario: A hostile Host header does not reach the metadata
      Given the authorization server metadata
      When it is asked for under a hostile host
      Then the hostile host appears nowhere in the answer

    @MET-07
    Scenario: Every endpoint lies on a published origin
      Given the authorization server metadata
      Then every endpoint in it lies on an origin of the deployment

    @ASM-12
    Scenario: Every endpoint is protected by TLS
      Given the authorization server metadata
      Then every endpoint in it is an https URL

  Rule: The device grant is advertised, completely

    @ASM-10
    Scenario: The device-code grant type is listed
      Given the authorization server metadata
      Then it lists the device-code grant type

    @ASM-11
    Scenario: The grant type and the endpoint are advertised together
      Given the authorization server metadata
      Then it advertises a device authorization endpoint exactly if it lists the device-code grant type

    @ASM-06
    Scenario: The token endpoint is advertised
      Given the authorization server metadata
      Then it advertises a token endpoint

    @ASM-07
    Scenario: The response types are listed
      Given the authorization server metadata
      Then it lists its response types

    @ASM-08
    Scenario: The authorization endpoint is advertised where the code grant is
      Given the authorization server metadata
      Then it advertises an authorization endpoint if it lists the authorization-code grant type

    @ASM-22
    Scenario: The response type of the code grant is listed where the grant is
      Given the authorization server metadata
      Then it lists the response type code if it lists the authorization-code grant type

    @ASM-13
    Scenario: Public clients are welcome
      Given the authorization server metadata
      Then it lists none among the token endpoint's authentication methods

    @ASM-14
    Scenario: PKCE with S256 is advertised where the code grant is
      Given the authorization server metadata
      Then it lists the code challenge method S256 if it lists the authorization-code grant type

    @ASM-19
    Scenario: The type of authorization details is advertised
      Given the authorization server metadata
      Then it lists the type of authorization details that MCP device authorization asks for

    @MET-01
    Scenario: PDPP's own list of types agrees with the standard one
      Given the authorization server metadata
      Then both of its lists of authorization details types name the PDPP data-access type

    @ASM-20
    Scenario: Scopes are listed where they are used
      Given the authorization server metadata
      Then it lists the scopes that it supports

    @MET-05
    Scenario: Every registration mode is backed by what it needs
      Given the authorization server metadata
      Then each registration mode that it lists is backed, and each that is backed is listed

    @MET-09
    Scenario: Pre-registered clients are public
      Given the authorization server metadata
      Then each pre-registered client that it lists has a client id and a name and authenticates with none

    @MET-08
    Scenario: The provider's connect capabilities are told
      Given the authorization server metadata
      Then it tells the provider's connect capabilities

  Rule: Each device profile says which kind of token it ends in

    @PRO-11
    Scenario: Both device profiles are told apart
      Given the authorization server metadata
      Then it describes exactly the device profiles grant_scoped_mcp and trusted_owner_agent

    @MET-02
    Scenario: The grant-scoped profile ends in a client token and is the normal MCP setup
      Given the authorization server metadata
      Then its device profile grant_scoped_mcp says
        | pdpp_token_kind  | client |
        | normal_mcp_setup | true   |

    @MET-03
    Scenario: The grant-scoped profile names what a request must carry
      Given the authorization server metadata
      Then its device profile grant_scoped_mcp requires client_id, resource and authorization_details
      And its device profile grant_scoped_mcp names the authorization details type that the server supports

    @MET-04
    Scenario: The owner-agent profile ends in an owner token that /mcp rejects
      Given the authorization server metadata
      Then its device profile trusted_owner_agent says
        | pdpp_token_kind           | owner                        |
        | normal_mcp_setup          | false                        |
        | advertised_in             | pdpp_owner_agent_onboarding  |
        | mcp_owner_bearer_rejected | true                         |

    @CHG-08
    Scenario: Nothing in the metadata offers an owner token as normal MCP setup
      Given the authorization server metadata
      And the protected resource metadata of the MCP resource
      Then whatever ends in an owner token says that it is no normal MCP setup and that /mcp rejects its bearer
      And whatever is called normal MCP setup ends in a client token for the MCP resource
