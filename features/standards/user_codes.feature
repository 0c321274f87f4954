Feature: User codes are easy to type and hard to guess
  People type a user code from one screen into another, so the page forgives case, punctuation and spaces (RFC 8628 §6.1). A
  code is short enough to be guessed, so the page limits how often somebody may be wrong and does not say in which way a
  code was wrong (RFC 8628 §5.1). Guessing is done at the bundled server, and elsewhere only where the target file allows it.

  Background:
    Given a client that may use the device grant

  @UIX-12
  Scenario Outline: A user code is taken <spelling>
    Given a device authorization of the owner-agent kind
    When the owner enters its code <spelling>
    Then the decision page opens

    Examples:
      | spelling                        |
      | without its punctuation         |
      | with spaces for its punctuation |
      | in lower case                   |
      | with stray spaces               |

  @UIX-13 @negative @limit
  Scenario: Wrong user codes are limited, over however many connections they come
    When wrong user codes are entered, each over a connection of its own
    Then a limit takes effect that refuses the right value too
    And the limit ends after a while

  @UIX-13 @negative @limit
  Scenario: Right user codes in between do not lift the limit
    When wrong user codes are entered, with a right one after every second
    Then a limit takes effect that refuses the right value too
    And the limit ends after a while

  @UIX-14 @negative @expires
  Scenario: Unknown, expired and decided user codes are answered alike
    Given an undecided MCP device authorization that was left until it expired
    When the owner enters an unknown, an expired and a decided user code
    Then the answers cannot be told apart
