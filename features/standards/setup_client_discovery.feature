@setup_client
Feature: A setup client finds the authorization server, and believes no document that is another's
  The way leads from the MCP server's challenge to protected resource metadata and from there to authorization server
  metadata (MCP authorization; RFC 9728 §3, §5; RFC 8414 §3). Each document has to be that of what was looked for: a
  client that takes another's gives a stranger its codes. What nobody knows in a document is nobody's concern.

  Background:
    Given the setup client comes by a credential where nothing is odd

  Rule: Protected resource metadata leads to the authorization server (RFC 9728 §3.1, §5.1)

    @MCL-01
    Scenario Outline: The resource metadata is looked for at <order> first, with <place>
      When the setup client meets <place>
      Then it has looked for resource metadata in the order <order>
      And it has asked the authorization server that the resource names

      Examples:
        | place                                                          | order          |
        | metadata at the URL of the challenge                           | challenge      |
        | metadata before the path, and no word of it in the challenge   | inserted       |
        | metadata at the root, and no word of it in the challenge       | inserted, root |

    @PRM-19 @negative
    Scenario: Metadata of another resource is of no use
      When the setup client meets metadata of another resource
      Then it has asked nothing of the authorization server, and has ended

    @PRM-19
    Scenario: Members of the resource metadata that nobody knows are ignored
      When the setup client meets unknown members in the resource metadata
      Then it has come by its credential

    @PRM-19 @negative
    Scenario: A server whose certificate nobody vouches for is told nothing
      When the setup client meets a server whose certificate nobody vouches for
      Then it has told the server nothing, and has ended

  Rule: Authorization server metadata is that of the issuer (RFC 8414 §3.1, §3.3)

    @MCL-02
    Scenario Outline: The well-known URLs are tried in order, with <place>
      When the setup client meets <place>
      Then it has looked for server metadata in the order <order>
      And it has come by its credential

      Examples:
        | place                                                              | order   |
        | an issuer with a path and metadata at its first well-known URL     | 0       |
        | an issuer with a path and metadata at its second well-known URL    | 0, 1    |
        | an issuer with a path and metadata at its third well-known URL     | 0, 1, 2 |
        | an issuer without a path and metadata at its second well-known URL | 0, 1    |

    @MCL-02 @negative
    Scenario: The metadata of another issuer is rejected
      When the setup client meets metadata of an issuer that differs in a trailing slash
      Then it has asked nothing of the authorization server, and has ended

    @ASM-21 @negative
    Scenario: Metadata whose issuer is another's is unusable
      When the setup client meets metadata of another issuer
      Then it has asked nothing of the authorization server, and has ended

    @ASM-21
    Scenario: Members of the server metadata that nobody knows are ignored
      When the setup client meets unknown members in the server metadata
      Then it has come by its credential
