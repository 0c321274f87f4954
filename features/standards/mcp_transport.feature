Feature: The transport of the MCP resource lets nobody in by another door
  Each request shows its own token: neither a session nor a connection stands for one (MCP 2025-11-25 Authorization §Token
  Requirements; MCP Security Best Practices §State Handle Hijacking). Pages of other origins are turned away, so that no
  browser becomes a way in (MCP 2025-11-25 Transports §Security Warning). A revision that is not spoken, and header fields
  that contradict the body, are refused instead of guessed at (MCP 2026-07-28 Streamable HTTP §Protocol Version Header,
  §Server Validation).

  Background:
    Given the MCP resource serves a client token

  Rule: Every request shows its token

    @RSC-17 @negative
    Scenario Outline: A request without a token is refused, <when>
      When a request without a token follows one that was served, <when>
      Then it is refused with 401, and the client token is served as before

      Examples: what it follows in
        | when           |
        | right after it |
        | in its session |

    @RSC-26
    Scenario: The id of a session cannot be guessed
      When a client opens sessions, one after the other
      Then their ids all differ and are no guess

    @RSC-26 @negative
    Scenario: A session is of no use to another client
      When another client goes on in a client's session
      Then the session is not served to the other client

  Rule: A page of another origin has no business here

    @RSC-23 @negative
    Scenario Outline: A live token from <origin> is refused
      When a page of <origin> presents a live token at the MCP resource
      Then it is refused with 403, and the client token is served as before

      Examples: origins that nobody has reason to trust
        | origin                                |
        | another site                          |
        | a site whose name begins like its own |
        | a site whose name ends like its own   |
        | no origin that it could name          |

    @RSC-23
    Scenario: A page of the server's own is served
      When a page of its own origin presents a live token at the MCP resource
      Then the page is served

  Rule: A revision is spoken, or refused

    @RSC-24 @negative
    Scenario Outline: A request of <revision> is refused
      When a client says that its request is of <revision>
      Then it is refused as a bad request, and the client token is served as before

      Examples: revisions that there never were
        | revision                   |
        | a day before there was MCP |
        | no revision at all         |

    @RSC-25 @negative
    Scenario Outline: A request whose header says something else than its body is refused, <what>
      When the header of a client's request contradicts its body in <what>
      Then it is refused for the contradiction, and the client token is served as before

      Examples: what they disagree on
        | what                 |
        | the method           |
        | the name of the tool |
        | the revision         |
