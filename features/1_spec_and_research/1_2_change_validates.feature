@task-1.2 @validator
Feature: The change validates
  The change is written down as OpenSpec: a proposal, a design, tasks, and for each capability the requirements that it adds.
  Tools that build on it and people who archive it rely on its form, so the real validator is asked, in its strict mode. That
  it can refuse is shown on a copy with one mistake.

  @DOC-03
  Scenario: The change is valid
    When the change is validated strictly
    Then the validator finds nothing

  @DOC-03 @negative
  Scenario: A requirement without a scenario is found
    When a copy of the change is validated whose first requirement has lost its scenarios
    Then the validator refuses it because a requirement must include at least one scenario
