Feature: Nobody but the owner decides, and the pages carry nothing that others wrote into them
  Whoever gets the owner's browser to send a decision has the owner's data. So every form is bound to the session that
  opened it, and no other origin can send one (RFC 6749 §10.12, RFC 9700 §4.7); no page can be framed and clicked through
  (RFC 9700 §4.16, RFC 6749 §10.13); what clients and people write is shown as text (RFC 6749 §10.14); and the user code in
  the address stays with the page (RFC 9700 §4.2).

  Background:
    Given a client that may use the device grant

  Rule: A decision needs the form of this session (RFC 6749 §10.12)

    @UIX-17 @negative
    Scenario: Without the form token of the session, the owner's form decides nothing
      Given an MCP device authorization
      And the owner has its decision page open, and so has another session of the owner
      When approval and denial are sent in the owner's session with no form token
      And approval and denial are sent in the owner's session with a wrong form token
      And approval and denial are sent in the owner's session with another session's form token
      Then the request is still pending, and the owner can still decide it on the page

    @UIX-26 @negative
    Scenario: Another session of the owner cannot finish what this one began
      Given an MCP device authorization
      And the owner has its decision page open
      When another session of the owner, which never entered the code, sends the same forms
      Then the request is still pending, and the owner can still decide it on the page

  Rule: No other origin decides (RFC 9700 §4.7)

    @UIX-17 @negative
    Scenario: Posted by another origin, in whatever encoding, a decision is none
      Given an MCP device authorization
      And the owner has its decision page open, and so has another session of the owner
      When pages of other origins in the owner's browser post approval and denial as a form
      And pages of other origins in the owner's browser post approval and denial as a multipart form
      And pages of other origins in the owner's browser post approval and denial as a plain-text form
      Then the request is still pending, and the owner can still decide it on the page

    @UIX-18 @negative
    Scenario: Sent by another origin's script, whatever it calls its JSON, a decision is none
      Given an MCP device authorization
      And the owner has its decision page open, and so has another session of the owner
      When scripts of other origins in the owner's browser send approval and denial as JSON
      And scripts of other origins in the owner's browser send approval and denial as JSON that bears no content type
      And scripts of other origins in the owner's browser send approval and denial as JSON that calls itself plain text
      Then the request is still pending, and the owner can still decide it on the page

  Rule: No other origin shows the pages (RFC 9700 §4.16, RFC 6749 §10.13)

    @UIX-19 @negative
    Scenario Outline: The <page> cannot be framed
      Given the owner's <page>, which shows by itself
      When pages of other origins show it in a frame
      Then the frame shows nothing of it

      Examples:
        | page            |
        | sign-in page    |
        | code entry page |
        | decision page   |
        | error page      |

  Rule: What others write is shown as text (RFC 6749 §10.14, RFC 9396 §12)

    @UIX-21 @negative
    Scenario: A client's name with markup in it is shown as it is written
      Given a client whose name has markup in it
      When the owner opens a request of the client so named
      Then what was written is on the page, as text

    @UIX-21 @negative
    Scenario: A purpose with markup in it is shown as it is written
      When the owner opens a request whose purpose has markup in it
      Then what was written is on the page, as text

    @UIX-21 @negative @wrong_code
    Scenario Outline: Markup for a user code, given by <way>, becomes none of the page
      Given an MCP device authorization
      When the owner gives markup for a user code, by <way>
      Then what was written is on the page as text, or not at all

      Examples:
        | way                           |
        | the complete verification URI |
        | typing                        |

  Rule: The user code in the address stays there (RFC 9700 §4.2)

    @UIX-24
    Scenario: Leaving the page tells nobody the user code
      Given an MCP device authorization
      When the owner comes by the complete verification URI and leaves by a link to another origin
      Then nobody is told the user code
