Feature: The owner is asked, each time, and knows what the question is
  The user code reaches the owner by any way an attacker likes. So the pages behind the verification URI (RFC 8628 §3.3,
  §5.4) say that a device asks, who runs it as far as anybody knows, and what it would get, all of it (RFC 9396 §3.1,
  OAuth 2.1 §7.9); they ask the owner to compare the code and to decline what they did not start (RFC 10027 §6.1.14);
  they ask anew for every request; and what they lead to goes to the device alone.

  Background:
    Given a client that may use the device grant

  Rule: The interaction starts at the verification URI (RFC 8628 §3.3)

    @UIX-01
    Scenario: The verification URI takes the user code
      Given an MCP device authorization
      Then the verification URI takes the user code and then asks for the decision

    @UIX-02
    Scenario: Pages and forms are protected by TLS
      Given an MCP device authorization
      When somebody who is not signed in goes from the verification URI to the decision page
      Then every page and every form on the way uses TLS

  Rule: The owner knows what is asked, and by whom (RFC 8628 §5.4, RFC 10027 §6.1.14)

    @UIX-04
    Scenario Outline: The page of a request of the <kind> kind says what it is about, and offers both decisions
      Given the decision page of a request of the <kind> kind
      Then the owner is told that access is given, and may approve or deny

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-07
    Scenario Outline: The page of a request of the <kind> kind asks whether the device is in the owner's possession
      Given the decision page of a request of the <kind> kind
      Then the owner is told of a device, and asked whether it is in their possession

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-08
    Scenario Outline: The page of a request of the <kind> kind says who asks
      Given the decision page of a request of the <kind> kind
      Then the owner is told who asks

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-11
    Scenario Outline: The page of a request of the <kind> kind says to decline what the owner did not start
      Given the decision page of a request of the <kind> kind
      Then the owner is told to decline what they did not start

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-11
    Scenario Outline: Denying a request of the <kind> kind is as easy as approving it
      Given a device authorization of the <kind> kind
      Then denying is as prominent as approving, and approving does not have the focus

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

  Rule: The owner knows what would be given, all of it (RFC 9396 §3.1, OAuth 2.1 §7.9)

    @UIX-09
    Scenario: The page says how the client came to be known
      Given the decision page of a request of the MCP kind
      Then the owner is told how the client came to be known

    @UIX-09
    Scenario: The page says exactly what is asked for
      Given the decision page of a request of the MCP kind
      Then the owner is told exactly which stream of which source is asked for

    @UIX-10
    Scenario: The page shows every part of the authorization details
      Given authorization details for several sources, with fields, a time range and an access mode
      When the client asks for them and the owner opens the request
      Then the owner is told all of them

    @REG-09
    Scenario: What a client says of itself is told as that (RFC 7591 §5)
      Given a client that names itself and a logo
      When the owner opens a request of that client
      Then its name is told as its own claim, and its logo is fetched from nowhere

  Rule: Every request is decided by itself (RFC 8628 §5.4)

    @UIX-25
    Scenario: A client that was approved before is asked about again
      Given the owner has approved a request of the client before
      And an MCP device authorization
      When the owner opens the new request
      Then the owner is asked again before anything is decided

  Rule: What comes of it goes to the device alone (RFC 8628 §3.3)

    @UIX-27
    Scenario Outline: After the approval of a request of the <kind> kind, the page sends the owner back to the device
      Given a device authorization of the <kind> kind
      When the owner approves it on the page
      Then the page sends the owner back to the device and carries no code and no token

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @PRO-13 @negative
    Scenario: No page, link, listing or cookie hands the token to whoever decides
      Given an MCP device authorization
      When the owner approves it and follows every link, before and after the client redeems
      Then nothing that the owner comes by is a token, opens anything or yields anything
