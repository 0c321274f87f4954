Feature: What one flow staged is good in that flow alone
  A pushed request, an authorization code and the link to the owner's decision belong to the authorization-code flow, whose
  PKCE would be bypassed if the device grant took them (RFC 9700 §2.1.1, RFC 9126 §4). A device's codes belong to the device
  grant (RFC 8628 §3.4): elsewhere they lead to no decision and to no token. And what comes back to a client says which of its
  requests it answers (RFC 6749 §4.1.2, §10.12).

  Rule: The device grant takes nothing of the authorization-code flow

    @PRO-12 @negative
    Scenario Outline: <what> is no device code
      Given a request of the authorization-code flow that the owner approved, known by <what>
      When its client presents that at the device grant
      Then it is refused there with invalid_grant, each time
      And the authorization code still gives its client a token

      Examples:
        | what                             |
        | a pushed authorization request   |
        | an authorization code            |
        | the link to the owner's decision |

  Rule: The authorization-code flow takes nothing of a device's

    @PRO-12 @negative
    Scenario Outline: A <what> is no authorization code
      Given a device authorization, approved, of a client that may use both flows
      When its client presents the <what> as an authorization code
      Then it is refused with invalid_grant
      And there is no token in the answer
      And the device code is still good for its client

      Examples:
        | what        |
        | device code |
        | user code   |

    @PRO-12 @negative
    Scenario: A device's codes are no request URIs
      Given a device authorization, still to be decided, of a client that may use both flows
      And a pushed request leads to the owner's decision
      When the owner opens the device's codes as request URIs
      Then no decision is asked of the owner, and no code goes to the client
      And the request is still pending

  Rule: The answer of the authorization-code flow is for the request that was made

    @PRO-15
    Scenario: The authorization response carries the state of its request
      Given an authorization response to the owner's approval
      Then it carries the state of its request
