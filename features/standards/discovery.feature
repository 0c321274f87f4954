Feature: Metadata promises what is so, and no more
  Clients act on metadata before they see anything else of a deployment. So an endpoint that is advertised answers, and one
  that answers is advertised (RFC 8414 §2); an issuer in the authorization response is announced (RFC 9207 §2.3); the
  resource's own document names the resource and its scopes, and neither keys nor signatures that protect nothing (RFC 9728
  §2, §2.2); and caches know how long to keep it (RFC 9728 §7.10).

  Rule: The authorization server's document tells which endpoints there are

    @ASM-15
    Scenario: Every endpoint that is advertised answers
      Given the authorization server metadata
      Then each endpoint in it answers an empty request

    @ASM-15
    Scenario: Every endpoint that answers is advertised
      Given the authorization server metadata
      Then no endpoint for introspection, revocation or registration answers without being in it

    @ASM-16
    Scenario: Client id metadata documents are supported
      Given the authorization server metadata
      Then it says that client id metadata documents are supported

    @ASM-17
    Scenario: The issuer in the authorization response is announced
      Given an authorization response to the owner's approval
      Then the metadata announces an issuer in it exactly if it names one, and it is the right one

  Rule: The resource's document tells what the resource is

    @PRM-12
    Scenario: The MCP resource has a name, and scopes where it uses them
      Given the protected resource metadata of the MCP resource
      Then it names the resource, and its scopes where the challenge names one

    @PRM-13 @negative
    Scenario: Access while the owner is away is no scope of the resource
      Given the protected resource metadata of the MCP resource
      Then its scopes leave offline access out

    @PRM-15
    Scenario: Keys are fetched over TLS and every signature has an algorithm
      Given the protected resource metadata of the MCP resource
      Then its keys, if any, are protected by TLS, and none is no signing algorithm of it

    @PRM-16
    Scenario: Signed metadata is signed, and says by whom
      Given the protected resource metadata of the MCP resource
      Then its signed metadata, if any, is signed and names who signed it

    @PRM-18
    Scenario: The resource's document may be cached for a while
      Given the protected resource metadata of the MCP resource
      Then it may be cached, and for a day at most
