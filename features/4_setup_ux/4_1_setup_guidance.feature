@task-4.1 @focused @setup_client
Feature: A person who sets up a headless client sees what to do, how it goes, and how to try again
  The change exists because a headless client opened a browser that nobody could see. Where no callback can be reached
  and device authorization is advertised, the client leads there and shows the verification URL, the user code, when it
  expires and how polling goes; what went wrong is told with the way to try again. Where it is not advertised the client
  says what to use instead, which is never an owner's credential.

  Background:
    Given the setup client comes by a credential where nothing is odd

  @CHG-04
  Scenario: URL, code, expiry and polling state are shown
    When the setup client meets a server that does nothing odd
    Then it has shown the verification URL, the user code, the expiry and the state of polling

  @CHG-04
  Scenario Outline: The way to try again is shown after <end>
    When the setup client meets <end>
    Then it has shown how to try again

    Examples:
      | end                                 |
      | a server that answers access_denied |
      | a server that answers expired_token |
      | an owner who never decides          |

  @CHG-04
  Scenario: A person sees at the deployment how to approve, and that it is waited for
    When a person starts the setup client at the deployment, in a terminal
    Then the screen shows the verification URL, the user code, the expiry and that it is waited for

  @CHG-04
  Scenario: What stands on the screen is enough for the owner to approve
    Given a setup client that a person has started at the deployment, in a terminal
    When the owner approves with the address and the code that stand on its screen
    Then the client has ended, connected

  @CHG-05
  Scenario: Without device authorization a browser-capable client is recommended
    When the setup client meets a server without device authorization
    Then it has recommended a client with a browser, and has ended

  @CHG-05 @negative
  Scenario: Without device authorization nobody asks for an owner's token
    When the setup client meets a server without device authorization
    Then it has asked for no owner's token
