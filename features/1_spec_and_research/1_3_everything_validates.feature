@task-1.3 @validator
Feature: Everything validates before the owner gate
  A change that is valid by itself can still rest on specs that are not, or collide with another change. Before anybody is asked
  to approve it, all specs and all changes are validated together.

  @DOC-04
  Scenario: All specs and changes are valid
    When all specs and changes are validated strictly
    Then the validator finds nothing
