@setup_client
Feature: A setup client polls as it is told, and stops when it is told
  A device polls at the server's pace (RFC 8628 §3.5): the interval between two polls, five seconds where none is told,
  five more for good after each slow_down, less often while the network fails. Any other error ends it, and only the
  person begins anew. The client runs as a person starts it, against servers that go by a script and record it.

  Background:
    Given the setup client comes by a credential where nothing is odd

  @POL-23
  Scenario Outline: Between two polls there lies the interval when <server>
    When the setup client meets <server>
    Then it lets at least <seconds> s pass between two polls

    Examples:
      | server                                  | seconds |
      | a server that tells no interval         | 5       |
      | a server that tells an interval of 7 s  | 7       |

  @POL-24
  Scenario: Each slow_down lengthens every later wait
    When the setup client meets a server that says slow_down three times
    Then each slow_down lengthens every later wait by 5 s

  @POL-25 @negative
  Scenario Outline: Polling ends with <error>
    When the setup client meets a server that answers <error>
    Then it does not poll again
    And it says so, and ends

    Examples:
      | error               |
      | access_denied       |
      | expired_token       |
      | invalid_grant       |
      | invalid_client      |
      | an_error_of_its_own |

  @POL-26
  Scenario Outline: A lost connection makes polling less frequent with <server>
    When the setup client meets <server>
    Then it waits longer than the interval after each lost connection

    Examples:
      | server                                         |
      | a server whose connection hangs twice          |
      | a server that drops the connection three times |

  @POL-27 @negative
  Scenario Outline: No new flow begins by itself after <end>
    When the setup client meets <end>
    Then it has asked for codes once

    Examples:
      | end                                 |
      | a server that answers expired_token |
      | a server that answers access_denied |
      | an owner who never decides          |
