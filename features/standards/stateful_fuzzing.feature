@fuzzed
Feature: In no order do the acts of a flow open anything
  A device asks, polls, and polls again (RFC 8628 §3.4, §3.5); the owner approves or denies, and presses another button on a
  page that was left open; time goes by; tokens are refreshed, revoked and used where they do not belong; clients come and
  go. Each rule of this flow is simple, and broken where two of them meet. So a state machine takes several requests of both
  kinds through many orders, of which nobody would write down most, and after each act it is judged what every rule says of
  it. An order that breaks a rule is made as short as it can be, and kept to be tried again.

  Rule: No bearer comes without an approval

    @CHG-13 @negative
    Scenario: In every order a request that nobody decided gives no bearer
      When the parties of a flow act in every order
      Then whatever the order, a request that nobody decided gives no bearer

    @POL-05 @negative
    Scenario: In every order another client's code gives no bearer
      When the parties of a flow act in every order
      Then whatever the order, another client's code gives no bearer

    @POL-08 @negative
    Scenario: In every order a denied request stays denied
      When the parties of a flow act in every order
      Then whatever the order, a denied request stays denied

    @CHG-14 @negative
    Scenario: In every order a request that nobody decided in time gives no bearer
      When the parties of a flow act in every order
      Then whatever the order, a request that nobody decided in time gives no bearer

    @POL-10 @negative
    Scenario: In every order an approved code past its time gives no bearer
      When the parties of a flow act in every order
      Then whatever the order, an approved code past its time gives no bearer

    @POL-12 @negative
    Scenario: In every order a code gives one bearer
      When the parties of a flow act in every order
      Then whatever the order, a code gives one bearer

  Rule: A request is answered as it stands

    @POL-07
    Scenario: In every order a pending request is told to be pending
      When the parties of a flow act in every order
      Then whatever the order, a pending request is told to be pending

    @POL-09 @negative
    Scenario: In every order an expired request is told to be expired
      When the parties of a flow act in every order
      Then whatever the order, an expired request is told to be expired

    @POL-11
    Scenario: In every order an approved request gives its bearer
      When the parties of a flow act in every order
      Then whatever the order, an approved request gives its bearer

    @POL-17
    Scenario: In every order a client that has waited is not told to slow down
      When the parties of a flow act in every order
      Then whatever the order, a client that has waited is not told to slow down

    @UIX-16 @negative
    Scenario: In every order a decision stays as it was made
      When the parties of a flow act in every order
      Then whatever the order, a decision stays as it was made

  Rule: A bearer is good for what was approved, and nothing else

    @PRO-04 @negative
    Scenario: In every order an owner token is refused at the MCP resource
      When the parties of a flow act in every order
      Then whatever the order, an owner token is refused at the MCP resource

    @PRO-03 @negative
    Scenario: In every order a client token is refused at the owner's surface
      When the parties of a flow act in every order
      Then whatever the order, a client token is refused at the owner's surface

    @PRO-05 @negative
    Scenario: In every order a client token reads no stream that was not granted
      When the parties of a flow act in every order
      Then whatever the order, a client token reads no stream that was not granted

    @REF-03 @negative
    Scenario: In every order a refresh grants no more than was approved
      When the parties of a flow act in every order
      Then whatever the order, a refresh grants no more than was approved

  Rule: What has ended stays ended, and ends nothing else

    @POL-13 @negative
    Scenario: In every order a code that comes again ends what it gave
      When the parties of a flow act in every order
      Then whatever the order, a code that comes again ends what it gave

    @REF-02 @negative
    Scenario: In every order a used refresh token ends its family
      When the parties of a flow act in every order
      Then whatever the order, a used refresh token ends its family

    @REF-06 @negative
    Scenario: In every order a revoked grant is not refreshed
      When the parties of a flow act in every order
      Then whatever the order, a revoked grant is not refreshed

    @REV-01 @negative
    Scenario: In every order a revoked refresh token is not refreshed
      When the parties of a flow act in every order
      Then whatever the order, a revoked refresh token is not refreshed

    @REV-06 @negative
    Scenario: In every order a revoked refresh token takes its access tokens along
      When the parties of a flow act in every order
      Then whatever the order, a revoked refresh token takes its access tokens along

    @REV-05 @negative
    Scenario: In every order a revoked access token stays inactive
      When the parties of a flow act in every order
      Then whatever the order, a revoked access token stays inactive

    @PRO-06
    Scenario: In every order a revoked grant ends its tokens, and no others
      When the parties of a flow act in every order
      Then whatever the order, a revoked grant ends its tokens, and no others

    @RSC-08 @negative
    Scenario: In every order the tokens of a removed client are refused
      When the parties of a flow act in every order
      Then whatever the order, the tokens of a removed client are refused

    @RSC-07 @negative
    Scenario: In every order an expired token is refused at the MCP resource
      When the parties of a flow act in every order
      Then whatever the order, an expired token is refused at the MCP resource

    @INT-06
    Scenario: In every order introspection tells good tokens from ended ones
      When the parties of a flow act in every order
      Then whatever the order, introspection tells good tokens from ended ones

  Rule: What an order of acts once broke stays mended

    @POL-05 @negative
    Scenario: A device that is hasty after another client polled with its code
      When the parties of a flow act in this order
        | act             | request | by               | detail           |
        | start           | 1       | the first client | grant_scoped_mcp |
        | poll as another | 1       |                  |                  |
        | poll            | 1       |                  |                  |
        | poll            | 1       |                  |                  |
        | poll as another | 1       |                  |                  |
      Then in this order, another client's code gives no bearer
