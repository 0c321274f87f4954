Feature: Only the owner decides, once, and in time
  A user code is short and can be sent to anybody, so what protects the owner is the decision itself: it is made by somebody
  who is signed in (RFC 8628 §3.3, RFC 6749 §10.12), by a request that is meant to change something (RFC 9110 §9.2.1), while
  the code is valid (RFC 8628 §3.2), and it is final (RFC 10027 §6.1.3). Whether a decision counted is read from what the
  polling client is told. Every attempt is followed by the owner deciding the opposite: if that is what the client is told,
  the attempt changed nothing and the form was a good one.

  Background:
    Given a client that may use the device grant

  Rule: A decision counts only if the signed-in owner sends it

    @UIX-03 @negative
    Scenario Outline: The form to <act> does not count <how>
      Given an MCP device authorization
      And both decisions count when the owner makes them by form
      When the owner's form to <act> is sent <how>
      And the owner then decides the opposite
      Then the client is told what the owner decided

      Examples:
        | act     | how                                 |
        | approve | without a session                   |
        | deny    | without a session                   |
        | approve | by a browser that has not signed in |

    @UIX-20 @negative
    Scenario Outline: The form to <act> changes nothing when it is sent <how>
      Given an MCP device authorization
      And both decisions count when the owner makes them by form
      When the owner's form to <act> is sent <how>
      And the owner then decides the opposite
      Then the client is told what the owner decided

      Examples:
        | act     | how       |
        | approve | with GET  |
        | deny    | with GET  |
        | approve | with HEAD |
        | deny    | with HEAD |

  Rule: Denial works wherever approval does

    @UIX-28
    Scenario Outline: The owner can deny <state>
      When the owner denies <state>
      And the client polls
      Then it is refused with access_denied

      Examples:
        | state                                      |
        | an MCP request whose code was typed        |
        | an MCP request opened by the complete link |
        | an MCP request for two sources             |
        | an MCP request in review                   |
        | an owner-agent request                     |

  Rule: A decision is final

    @UIX-16 @negative
    Scenario: An approved request cannot be denied afterwards
      Given an MCP device authorization
      When the owner approves it by form, and denies it by pages that were opened before
      Then the request stays approved

    @UIX-16 @negative
    Scenario: A denied request cannot be approved afterwards
      Given an MCP device authorization
      When the owner denies it by form, and approves it by pages that were opened before
      Then the request stays denied

    @UIX-16 @negative @wrong_code
    Scenario: The code of a denied request cannot be entered to approve it
      Given an MCP device authorization
      When the owner denies it by form, enters its code again and approves it if that is offered
      Then the request stays denied

    @UIX-16 @negative
    Scenario: A redeemed request leads to no second credential when its approval is sent again
      Given an MCP device authorization
      When the owner approves it by form, the client redeems it, and the owner sends the approval again
      Then the redeemed request gives nothing more

    @UIX-30 @negative
    Scenario: Of approval and denial at the same moment one wins, and the page of the other does not say it won
      When the owner approves and denies a request at the same moment, several times over
      Then each time one decision wins, as its page says

    @UIX-30 @negative
    Scenario: Approvals that arrive during redemption do not bring the request back
      When the client redeems a request while further approvals of it are on their way, several times over
      Then each time the redeemed request gives nothing more

  @expires
  Rule: An expired request cannot be decided

    @UIX-15 @negative
    Scenario Outline: The expired user code of an <kind> request cannot be approved
      Given an undecided <kind> device authorization that was left until it expired
      When the owner enters its code and approves it if that is offered
      Then the request stays expired

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @UIX-15 @negative
    Scenario: A decision page that was opened in time cannot approve after expiry
      When the owner approves a request on a page that was opened before the request expired
      Then the request stays expired

    @UIX-14 @negative
    Scenario: A page opened in time answers for an expired request as for one decided meanwhile
      When the owner approves an expired and a denied request on pages that were opened in time
      Then the answers cannot be told apart
