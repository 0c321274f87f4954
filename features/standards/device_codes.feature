Feature: Device and user codes identify one request and cannot be guessed
  A device code is a bearer credential that nobody sees, and a user code is short because a person types it. RFC 8628 §3.2,
  §5.1, §5.2 and §6.1 and RFC 6749 §10.10 say what that takes. A sample tells an upper bound of what a code can hold, and
  what speaks against it: repeats, counters, times, characters that never change. It never tells how much there is.

  Background:
    Given a client that may use the device grant

  Rule: A device code is fresh and cannot be guessed (RFC 8628 §5.2, RFC 6749 §10.10)

    @DRS-08
    Scenario: No device code is given twice
      Given the device codes of a sample of requests
      Then no device code occurs twice

    @DRS-09
    Scenario: A device code has room for the bits that a credential must have
      Given the device codes of a sample of requests
      Then a device code has room for the bits that a credential must have

    @DRS-17
    Scenario: A device code has room for the bits that a credential should have
      Given the device codes of a sample of requests
      Then a device code has room for the bits that a credential should have

    @DRS-15
    Scenario: A device code is not made from its user code
      Given the device codes of a sample of requests
      Then no device code holds its user code or a digest of it

    @DRS-15 @expires
    Scenario: A device code stands in no URL, header or page
      Given an MCP device authorization that the owner approved and nobody has redeemed
      Then no device code of the run stands anywhere but in the answer that told it

    @DRS-15 @expires
    Scenario: A user code is carried to no other origin
      Given an MCP device authorization that the owner approved and nobody has redeemed
      Then no user code of the run stands in a URL of another origin

  Rule: A user code is for people, and for one request (RFC 8628 §5.1, §6.1)

    @DRS-10
    Scenario: Guessing a user code is infeasible
      Given the device codes of a sample of requests
      Then a user code cannot be guessed within the attempts of its lifetime

    @DRS-11
    Scenario: No two live requests share a user code
      Given the device codes of a sample of requests
      Then no user code occurs twice

    @DRS-12
    Scenario: No character of a user code is taken for another
      Given the device codes of a sample of requests
      Then no two characters of user codes are taken for each other

  Rule: The answer says each thing once, and leads to the decision on this request (RFC 8628 §3.2, §3.3)

    @DRS-04
    Scenario: No member occurs twice
      Given the client was given device codes
      Then no member of the answer with the codes occurs twice

    @DRS-05
    Scenario: The complete verification URI leads to the decision on this request
      Given the client was given device codes
      Then the complete verification URI leads to the decision on this request, without the device code

    @DRS-07
    Scenario: The verification URI that people type is without the user code
      Given the client was given device codes
      Then the verification URI does not hold the user code

    @DRS-14
    Scenario: The codes live long enough to be used, and no longer
      Given the client was given device codes
      Then the codes live between 60 and 1800 seconds
