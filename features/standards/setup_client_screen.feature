@setup_client
Feature: A setup client tells the person what it came by and where that lies, and shows no secret
  Who has approved a client wants to know what it may read now, and where its credential lies. The credential itself is
  nobody's to see: a screen is recorded, shared, and scrolled back (RFC 6750 §5.3; PDPP wire contract §8). The client
  runs at a terminal, against the deployment itself and against servers that go by a script.

  Rule: What the owner approved is told at the deployment

    Background:
      Given a setup client that a person has started at the deployment, in a terminal

    @MCL-08
    Scenario: What was granted is told
      When the owner approves with the address and the code that stand on its screen
      Then its screen names every stream that was granted

    @MCL-08
    Scenario: Where the credential lies is told, and nobody else may read it
      When the owner approves with the address and the code that stand on its screen
      Then its screen names the file of the credential, which nobody else may read

    @MCL-09 @negative
    Scenario: No token is shown that the deployment issued
      When the owner approves with the address and the code that stand on its screen
      Then no token of the credential was ever on its screen

  Rule: No secret is shown, however it ends

    @MCL-09 @negative
    Scenario Outline: Neither tokens nor device codes are shown with <end>
      When the setup client meets <end>
      Then neither a token nor a device code was ever on its screen

      Examples:
        | end                                 |
        | a server that does nothing odd      |
        | a server that answers access_denied |
        | an owner who never decides          |
