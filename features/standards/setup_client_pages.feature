@setup_client
Feature: A setup client shows the person where to approve, and opens nothing but web pages
  The user code is displayed even where a URL has it in it, so that the person can compare it (RFC 8628 §3.3.1). The URL
  comes from a server that nobody knows yet: it is opened only if it is http or https, and never by way of a shell (MCP
  Security Best Practices, OAuth Authorization URL Validation).

  Background:
    Given the setup client comes by a credential where nothing is odd

  @POL-28
  Scenario: The user code is displayed beside the complete verification URI
    When the setup client meets a server that does nothing odd
    Then the user code and the verification URI are displayed

  @MCL-07 @negative
  Scenario Outline: Nothing is opened for <page>
    When the setup client meets <page>
    Then it has opened and shown no URL that is no web page

    Examples:
      | page                                      |
      | a verification page whose URL is a script |
      | a verification page whose URL is a file   |

  @MCL-07 @negative
  Scenario: No shell runs what stands in a URL
    When the setup client meets a verification page whose URL has a shell's commands in it
    Then no shell has run what stands in it
