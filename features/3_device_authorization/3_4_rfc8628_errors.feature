@task-3.4 @focused
Feature: Polling is answered as RFC 8628 §3.5 says, and no error carries a bearer
  A device polls because it cannot be called back. What it is told decides whether it waits, slows down, starts again or
  gives up, so each state has its own error, and none of them may come with a token. Codes work once, for the client that
  asked, until they expire: RFC 8628 leaves part of that to the authorization-code rules (RFC 6749 §4.1.2, §10.5), and
  the rows derived from there are marked as derived.

  Background:
    Given a client that may use the device grant

  Rule: Before the owner decides

    @POL-07
    Scenario: An undecided request is pending
      Given an MCP device authorization
      When the client polls
      Then it is refused with authorization_pending

    @CHG-13
    Scenario Outline: Polling before approval issues no bearer, <kind>
      Given a device authorization of the <kind> kind
      When the client polls
      Then it is refused with authorization_pending
      And there is no token in the answer

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @POL-16
    Scenario: The first poll is not told to slow down
      Given an MCP device authorization
      When the client polls at once
      Then it is refused with authorization_pending, slow_down being permitted

  @paced
  Rule: Before the owner decides, a device keeps the interval

    @POL-15 @negative
    Scenario: Polling faster than the interval is told to slow down
      When a device polls, polls again too soon, and then after the interval it was given at first
      Then its too early poll is told slow_down, authorization_pending being permitted

    @CHG-13 @negative
    Scenario: Polling too fast issues no bearer either
      When a device polls, polls again too soon, and then after the interval it was given at first
      Then none of its polls is answered with a token

    @POL-30 @negative
    Scenario: After slow_down the old interval is too short
      When a device polls, polls again too soon, and then after the interval it was given at first
      Then its next poll is told slow_down, authorization_pending being permitted

    @POL-17
    Scenario: A device that obeys slow_down is served again
      When a device polls, polls again too soon, and then after the interval as slow_down has made it
      Then its next poll is told authorization_pending

    @POL-17
    Scenario: A device that keeps its interval is never told to slow down
      When a device polls three times, each time after the interval
      Then each of its polls is told authorization_pending

    @POL-18 @negative
    Scenario: Nobody else's polling slows a device down
      When a device polls, others poll at once with its code and with theirs, and it polls again after the interval
      Then its next poll is told authorization_pending

  Rule: After the owner has decided

    @POL-11
    Scenario: An approved code redeems
      Given an MCP device authorization that the owner approved
      When the client redeems the device code
      Then the answer is 200 with an access token

    @POL-08
    Scenario: A denied request stays denied
      Given an MCP device authorization that the owner denied
      When the client polls twice
      Then it is refused with access_denied both times

    @CHG-14
    Scenario Outline: Polling after denial issues no bearer, <kind>
      Given a device authorization of the <kind> kind that the owner denied
      When the client polls
      Then it is refused with access_denied
      And there is no token in the answer

      Examples:
        | kind        |
        | MCP         |
        | owner-agent |

    @POL-12 @negative
    Scenario: A redeemed code is not good a second time
      Given an MCP device authorization that was approved and redeemed
      When the client redeems the device code again
      Then it is refused with invalid_grant
      And there is no token in the answer

    @POL-13 @negative
    Scenario: Replaying a code revokes what it was redeemed to
      Given an MCP device authorization that was just approved and redeemed
      And the token works at the MCP resource
      When the client redeems the device code again
      Then the token no longer works at the MCP resource

    @POL-14 @negative
    Scenario: Of many redemptions at the same time one succeeds
      Given an MCP device authorization that the owner approved
      When the client redeems the device code 8 times at the same moment
      Then exactly one of them gets a token and the others are refused with invalid_grant

  Rule: A code belongs to the client that asked for it

    @POL-05 @negative
    Scenario: Another client's code is not good
      Given an MCP device authorization that the owner approved and nobody has redeemed
      When another client redeems the device code
      Then it is refused with invalid_grant
      And the device code is still good for its client

    @POL-06 @negative
    Scenario Outline: <what> in place of a device code is not good
      Given an MCP device authorization that the owner approved and nobody has redeemed
      When the client redeems <what> as its device code
      Then it is refused with invalid_grant
      And the device code is still good for its client

      Examples:
        | what                           |
        | a code that nobody issued      |
        | the user code                  |
        | the device code with one letter changed |
        | the device code in capitals    |

    @POL-22 @negative
    Scenario: Unknown, foreign and redeemed codes are answered alike
      Given an MCP device authorization that was approved and redeemed
      When the client redeems an unknown, a foreign and the redeemed device code
      Then the three answers are alike

    @POL-03 @negative
    Scenario: A poll that names no client is refused
      Given an MCP device authorization
      When the client polls without its client id
      Then it is refused with invalid_request or invalid_client

    @DAR-05 @negative
    Scenario: A poll by an unknown client is refused
      Given an MCP device authorization that the owner approved and nobody has redeemed
      When a client that nobody registered redeems the device code
      Then it is refused as an unknown client
      And the device code is still good for its client

    @POL-02 @negative
    Scenario Outline: A poll whose device code is <defect> is refused
      When the client polls, its device_code <defect>
      Then it is refused with invalid_request

      Examples:
        | defect  |
        | missing |
        | empty   |

    @POL-19 @negative
    Scenario Outline: A poll that repeats <parameter> is refused
      Given an MCP device authorization
      When the client polls, its <parameter> repeated
      Then it is refused with invalid_request
      And the request is still pending

      Examples:
        | parameter   |
        | device_code |
        | client_id   |
        | grant_type  |

    @POL-01 @negative
    Scenario: A grant type that is almost the device grant is not supported
      Given an MCP device authorization
      When the client polls with a grant type that is almost the device grant
      Then it is refused with unsupported_grant_type
      And the request is still pending

    @POL-29 @negative
    Scenario: A poll without a grant type is refused
      Given an MCP device authorization
      When the client polls, its grant_type missing
      Then it is refused with invalid_request
      And the request is still pending

  @expires
  Rule: After the codes have expired

    @POL-09 @negative
    Scenario: An undecided code expires
      Given an undecided MCP device authorization that was left until it expired
      When the client polls
      Then it is refused with expired_token or invalid_grant
      And there is no token in the answer

    @POL-10 @negative
    Scenario: An approved code expires unless it is redeemed
      Given an approved MCP device authorization that was left until it expired
      When the client polls
      Then it is refused with expired_token or invalid_grant
      And there is no token in the answer

    @CHG-14 @negative
    Scenario Outline: Polling after expiry issues no bearer, <state> <kind>
      Given an <state> <kind> device authorization that was left until it expired
      When the client polls
      Then it is refused with expired_token or invalid_grant
      And there is no token in the answer

      Examples:
        | state     | kind        |
        | undecided | MCP         |
        | undecided | owner-agent |
        | approved  | owner-agent |
