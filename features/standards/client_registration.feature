Feature: Clients become known by registration or by their metadata document, and only as what they may be
  Dynamic registration lets anybody name a client, so the server ignores what it does not know (RFC 7591 §2), tells back what
  it made of the request (RFC 7591 §3.2.1), refuses in one form (RFC 7591 §3.2.2) and takes no redirect URI that would hand a
  code to a script (RFC 6749 §3.1.2). A client ID metadata document turns the client id into a URL that the server fetches: the
  document has to name itself (CIMD draft-02 §4), and fetching may not open a way into the server's network (CIMD draft-02
  §8.6).

  Rule: What is registered is told back

    @REG-01
    Scenario: A client registers and gets its client id
      When a client registers with well-formed metadata
      Then it is registered with a client id

    @REG-02
    Scenario: All metadata that was registered comes back
      Given a client registered with well-formed metadata
      Then the answer tells all that was registered

    @REG-02
    Scenario: What the client leaves to the server comes back too
      When a client registers and leaves its grant types and response types to the server
      Then the answer tells all that was registered

    @REG-05
    Scenario: A device-only client needs no redirect URI
      When a client registers for the device grant alone, without redirect URIs
      Then the device grant is registered and works, is replaced visibly, or is refused

  Rule: What is unknown or wrong does not get in

    @REG-03
    Scenario Outline: Metadata that nobody knows makes no difference, <member>
      Given a client registered with well-formed metadata
      When a client registers with an unknown member, <member>
      Then it is registered as without the unknown member

      Examples: unknown members
        | member            |
        | a text            |
        | an object         |
        | a promise of more |

    @REG-04 @negative
    Scenario Outline: A registration is refused that has <defect>
      Given a client registered with well-formed metadata
      When a client registers with <defect>
      Then the registration with <defect> is refused as RFC 7591 says

      Examples: defects
        | defect                         |
        | grant types that are a number  |
        | a grant type that is a number  |
        | redirect URIs that are no list |
        | a redirect URI that is none    |
        | a name that is an object       |

    @REG-10 @negative
    Scenario Outline: A redirect URI with <part> is refused to a client for <grants>
      Given a client registered with well-formed metadata
      When a client registers a redirect URI with <part> for <grants>
      Then the registration is refused with invalid_redirect_uri

      Examples: redirect URIs
        | part                  | grants                       |
        | a fragment            | the authorization-code grant |
        | an empty fragment     | the authorization-code grant |
        | the scheme javascript | the authorization-code grant |
        | the scheme data       | the authorization-code grant |
        | the scheme vbscript   | the authorization-code grant |
        | a fragment            | the device grant alone       |
        | the scheme javascript | the device grant alone       |
        | the scheme data       | the device grant alone       |

    @REG-06 @negative
    Scenario: A client registered without the device grant cannot use it
      Given a client that may use the device grant
      And an MCP device authorization
      And a client registered without the device grant
      When it asks for device codes
      Then it is refused with unauthorized_client
      And there are no codes in the answer

  Rule: A client may be known by its metadata document

    @REG-07
    Scenario: A client is known by a right document
      Given a client whose metadata document is right
      When it asks for device codes
      Then it gets device codes

    @REG-07 @negative
    Scenario Outline: A client is refused whose document <defect>
      Given clients are known by their metadata documents
      And a client whose metadata document <defect>
      When it asks for device codes
      Then it is refused as a client that nobody knows

      Examples: defects
        | defect                          |
        | names another client            |
        | names itself with a slash more  |
        | names itself in capitals        |
        | does not name itself            |
        | is no JSON                      |
        | is a list                       |
        | has no client name              |
        | has no redirect URIs            |

    @REG-07 @negative
    Scenario: A client is refused that goes by another URL of its document
      Given clients are known by their metadata documents
      And a client that goes by another URL of a right document
      When it asks for device codes
      Then it is refused as a client that nobody knows

    @REG-08 @negative
    Scenario Outline: No document is fetched from <where>
      Given clients are known by their metadata documents
      When a client asks for device codes whose document would stand at <where>
      Then it is refused, and nobody has looked there

      Examples: guarded addresses
        | where                           |
        | the loopback address            |
        | the loopback address of IPv6    |
        | the name of loopback            |
        | the loopback address as a number |
        | the loopback address in IPv6    |
        | the unspecified address         |
        | a private address               |
        | a link-local address            |

    @REG-08 @negative
    Scenario: No redirect is followed from a document's URL to loopback
      Given clients are known by their metadata documents
      When a client asks for device codes whose document redirects to loopback
      Then it is refused, and nobody has looked there
