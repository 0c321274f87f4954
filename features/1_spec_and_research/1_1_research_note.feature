@task-1.1
Feature: The research behind the headless path is kept and can be acted on
  MCP has no device grant, so PDPP's is a decision of its own, and whoever maintains it later has to know what it rests on:
  what the standards offered, what others did, who says so and when that was read. A note without its sources is an opinion,
  and one without a conclusion is a reading list.

  @DOC-01
  Scenario: The note asks a question and answers it
    Given the research note
    Then it asks a question and draws a conclusion

  @DOC-01
  Scenario Outline: The conclusion decides, <decision>
    Given the research note
    Then its conclusion tells readers that <decision>

    Examples:
      | decision                                                                        |
      | browser-capable clients use authorization code + PKCE                           |
      | headless clients use grant-scoped device authorization                          |
      | owner-agent credentials are owner-level REST credentials and no MCP credentials |

  @DOC-02
  Scenario: Every source can be looked up, as it was then
    Given the research note
    Then each of its sources has a URL and the day on which it was read, and each is used
