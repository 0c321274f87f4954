@task-4.2 @focused @setup_client
Feature: A setup client never waits for ever
  A client that waits for an approval has a bounded timeout, a URL that can be copied, and a way to recover, whatever
  the server does: it says nothing at all, fails, drops every connection, or asks to slow down for ever.

  Background:
    Given the setup client comes by a credential where nothing is odd

  @CHG-07
  Scenario Outline: It ends by itself with <server>
    When the setup client meets <server>
    Then it has ended by itself, without success
    And it has shown how to try again

    Examples:
      | server                                      |
      | a server that never answers                 |
      | a server whose token endpoint never answers |
      | a server that drops every connection        |
      | a server that fails for ever                |
      | a server that says slow_down for ever       |
      | an owner who never decides                  |

  @CHG-07
  Scenario: The URL to approve at can be copied
    When the setup client meets an owner who never decides
    Then the verification URL stands in what it says
