@task-3.3 @focused
Feature: An approved MCP request redeems to a client token, bound to the grant and to the resource
  What the client gets is exactly what the owner approved: a token of kind client, one grant (or one package of grants), for
  the MCP resource and nothing else. The token response, introspection and what the MCP resource lets through have to tell
  the same story (RFC 9396 §7, RFC 8707 §2, RFC 7662 §2.2).

  Background:
    Given a client that may use the device grant

  Rule: Response and introspection tell the same token

    @CHG-10
    Scenario: The token introspects as kind client with a grant
      Given a client token for one stream
      When the resource server introspects it
      Then the token is active, of kind client, with a grant and for the MCP resource

    @PRO-02
    Scenario: The grant is the same in token response and introspection
      Given a client token for one stream
      When the resource server introspects it
      Then the grant id in the token response is the one that introspection tells

    @INT-08
    Scenario: Client, audience, expiry and authorization details agree
      Given a client token for one stream
      When the resource server introspects it
      Then client, audience, expiry and authorization details agree with the token response

    @TOK-01
    Scenario: The token response is what RFC 6749 says
      Given the token response for one stream
      Then the answer fits the schema of a token response

    @TOK-02
    Scenario: No cache keeps the token
      Given the token response for one stream
      Then the answer may not be stored by a cache

    @TOK-03
    Scenario: The token says how long it lives, a day at most
      Given the token response for one stream
      Then the token lives a day at most

    @TOK-07
    Scenario: The authorization details come back as granted
      Given the token response for one stream
      Then the authorization details in the answer are the ones that were asked for and approved

    @TOK-07
    Scenario Outline: The limits of a stream come back as granted: <limits>
      Given a client token whose stream is granted <limits>
      Then the authorization details in its token response have the limits that were asked for and approved

      Examples:
        | limits                          |
        | with one of its fields left out |
        | within part of its time         |

    @INT-08
    Scenario Outline: The limits of a stream are the same in token response and introspection: <limits>
      Given a client token whose stream is granted <limits>
      When the resource server introspects that token
      Then introspection tells the same limits as the token response

      Examples:
        | limits                          |
        | with one of its fields left out |
        | within part of its time         |

  Rule: The token is good for the MCP resource alone

    @PRO-03 @negative
    Scenario Outline: The client token is refused at <surface>
      Given a client token for one stream
      And the owner token works at <surface>
      When the client token is used at <surface>
      Then it is refused there, and nothing of the owner is told

      Examples:
        | surface                     |
        | the owner's streams         |
        | the owner's records         |
        | the owner's schema          |
        | the owner's control surface |

    @POL-20 @negative
    Scenario: A resource that was not approved is refused, and the code stays good
      Given an MCP device authorization that the owner approved
      When the client redeems the device code for another resource
      Then it is refused with invalid_target
      And a plain redemption of the device code still gives a token

  Rule: The token is good for what was granted alone

    @CHG-01
    Scenario: The granted stream can be read at the MCP resource
      Given a client token for one stream
      When the client reads the granted stream
      Then records come back

    @PRO-05 @negative
    Scenario: Another stream cannot be read
      Given a client token for one stream
      And the client reads the granted stream
      When the client reads another stream
      Then the tool refuses, and nothing of the owner is told

    @PRO-05 @negative
    Scenario: A stream that is not granted looks like one that does not exist
      Given a client token for one stream
      And the client reads the granted stream
      When the client reads another stream
      And the client reads a stream that does not exist
      Then both refusals are alike

    @PRO-05 @negative
    Scenario: Another field cannot be read
      Given a client token for one stream with one of its fields left out
      And the client reads the granted stream
      When the client reads that field
      Then the tool refuses, and nothing of the owner is told

    @PRO-05 @negative
    Scenario: A field that was left out is in no record
      Given a client token for one stream with one of its fields left out
      And the client reads the granted stream
      Then no record holds that field or its value

    @PRO-05 @negative
    Scenario: Another time range cannot be read
      Given a client token for one stream within part of its time
      And the client reads the granted stream
      Then every record lies within the granted time, and some records exist outside it

    @PRO-05 @negative
    Scenario: No other tool reaches another stream
      Given a client token for one stream
      And the client reads the granted stream
      When the client asks the other tools for another stream
      Then each of them refuses

    @PRO-05 @negative
    Scenario: A record of another stream cannot be had by its identifier
      Given a client token for one stream
      And the client reads the granted stream
      When the client asks for a record of another stream by its identifier
      Then nothing of that record is told

    @PRO-05 @negative
    Scenario: No other tool tells a field that was left out
      Given a client token for one stream with one of its fields left out
      And the client reads the granted stream
      When the client asks the other tools for that field
      Then none of them tells anything of the field

    @PRO-05 @negative
    Scenario: A search everywhere finds nothing of another stream
      Given a client token for one stream
      And the client reads the granted stream
      When the client searches everywhere for words of another stream
      Then the search tells nothing of that stream

    @PRO-05 @negative
    Scenario: A search everywhere finds nothing of a field that was left out
      Given a client token for one stream with one of its fields left out
      And the client reads the granted stream
      When the client searches everywhere for words of that field
      Then the search tells nothing of that field

    @PRO-05 @negative
    Scenario: A search everywhere finds nothing outside the granted time
      Given a client token for one stream within part of its time
      When the client searches everywhere for a word of records outside that time
      Then the search tells nothing of what lies outside the granted time

    @PRO-05 @negative
    Scenario: A count tells nothing of what lies outside the granted time
      Given a client token for one stream within part of its time
      Then counting the stream counts the granted records alone

    @PRO-05 @negative
    Scenario: The schema does not tell of a field that was left out
      Given a client token for one stream with one of its fields left out
      And the client reads the granted stream
      Then the schema names the field less often than to a client that was granted it

    @PRO-05
    Scenario: The schema tells no more than was granted
      Given a client token for one stream
      And the client reads the granted stream
      When the client reads the schema
      Then the schema names the granted stream and no other

  Rule: What the owner left out is not granted

    @PRO-07
    Scenario: A stream that the owner left out is not in the grant
      Given a client token for two streams of which the owner left out the second
      When the resource server introspects it
      Then the authorization details in introspection name the first stream only

    @PRO-07 @negative
    Scenario: A stream that the owner left out cannot be read
      Given a client token for two streams of which the owner left out the second
      And the client reads the stream that the owner left in
      When the client reads the stream that the owner left out
      Then the tool refuses, and nothing of the owner is told

    @TOK-07
    Scenario: The authorization details come back as granted, not as asked for
      Given a client token for two streams of which the owner left out the second
      Then the authorization details in the token response name the first stream only

    @CHG-10 @negative
    Scenario: What is asked for at redemption widens nothing
      Given an MCP device authorization that the owner approved
      When the client redeems the device code, adding other authorization details
      Then whatever token comes of the device code holds no more than was approved

  Rule: A package of two sources is one token

    @CHG-10
    Scenario: A request for two sources ends in a package
      Given a client token for two sources
      When the resource server introspects it
      Then the token is active, of kind client, with a grant package and for the MCP resource
      And the package id in the token response is the one that introspection tells

    @CHG-01
    Scenario: A package reads both of its sources
      Given a client token for two sources
      When the client reads a stream of each source
      Then records come back from both

    @TOK-07
    Scenario: Both grants of a package come back as asked for
      Given a client token for two sources
      Then the authorization details in the token response name each source with what was asked of it

    @INT-08
    Scenario: Both grants of a package are the same in token response and introspection
      Given a client token for two sources
      When the resource server introspects it
      Then the authorization details in introspection are those of the token response

    @PRO-05 @negative
    Scenario: A package reads no stream that is in neither of its grants
      Given a client token for two sources
      And the client reads a stream of each source
      When the client reads a stream that is in neither grant
      Then the tool refuses, and nothing of the owner is told
