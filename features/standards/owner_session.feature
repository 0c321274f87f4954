Feature: The owner's session begins, leads on and ends safely
  Whoever has the owner's session has everything. So a password is not sent on by redirects (RFC 9700 §4.12) nor the owner to
  a stranger's site (RFC 9700 §4.11), passwords cannot be guessed at leisure (RFC 6749 §10.10), the session's cookie is kept
  from scripts and other sites and is a new one after signing in (RFC 6749 §10.12, RFC 9700 §4.7), and signing out ends the
  session on the server. What was granted can be seen and taken back (OAuth 2.1 §7.9).

  Background:
    Given a client that may use the device grant

  Rule: Signing in

    @UIX-23
    Scenario Outline: No redirect has <password> password sent on
      When the owner's sign-in form is sent with <password> password
      Then no redirect has the password sent again

      Examples:
        | password  |
        | the right |
        | a wrong   |

    @UIX-31
    Scenario Outline: A redirect after <password> password is one that fetches
      When the owner's sign-in form is sent with <password> password
      Then a redirect that follows says to fetch another page

      Examples:
        | password  |
        | the right |
        | a wrong   |

    @UIX-22 @negative
    Scenario Outline: Signing in does not lead to <where>
      When the owner signs in at a page that was told to go on to <where>
      Then no redirect leads there

      Examples:
        | where                                         |
        | another site                                  |
        | another site without a scheme                 |
        | another site behind a backslash               |
        | another site behind a tab                     |
        | another site with this one as its user name   |
        | another site whose name begins like this one  |

    @UIX-32 @negative @limit
    Scenario: Wrong passwords are limited in rate, and nobody is locked out for good
      When wrong passwords are sent one after the other
      Then a limit takes effect that refuses the right value too
      And the limit ends after a while

  Rule: The session

    @UIX-29
    Scenario: The cookies of the session are kept from scripts and other sites
      Then the cookies of the owner's session have the attributes that protect them

    @UIX-29 @negative
    Scenario: A session cookie from before signing in is worth nothing afterwards
      When the owner signs in under a session cookie that somebody else has set
      Then the session after signing in is a new one

    @UIX-33 @negative
    Scenario: The cookies of a session that was signed out sign nobody in
      When the owner signs out
      Then the session has ended on the server

    @UIX-33 @negative
    Scenario: A session that was signed out decides nothing
      Given an MCP device authorization
      And both decisions count when the owner makes them by form
      When the owner's form to approve is sent under the cookies of a session that was signed out
      And the owner then decides the opposite
      Then the client is told what the owner decided

  Rule: What was granted can be taken back

    @REV-08
    Scenario: The owner finds a grant in a list, with a way to revoke it
      Given a grant whose token works
      When the owner looks for the grant in the list of grants
      Then the grant is listed with a way to revoke it

    @REV-08
    Scenario: A grant that the owner has revoked is not offered for it again
      Given a grant whose token works
      When the owner revokes the grant in the list of grants
      Then the list of grants does not offer to revoke it any more

    @REV-08
    Scenario Outline: Once the owner has revoked a grant, <what> is dead
      Given a grant whose token works
      When the owner revokes the grant in the list of grants
      Then <what> is worth nothing any more

      Examples:
        | what                                 |
        | the access token at the MCP resource |
        | the refresh token                    |
