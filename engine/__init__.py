"""What routing is: values, decisions and the actors that own live state.

Glossary, one word a concept:

alias       the model name a client sends; the key of the routing table
pool        what an alias resolves to: ordered providers, access, limits, fallback, rules
provider    one upstream address inside a pool, with its credential's name and its limits
endpoint    an upstream address as the control plane defines it, once for all that is deployed at it
model       what clients ask for by one name in the control plane: a deployment or a composite; it becomes a pool
deployment  a model at one endpoint; providers that lead to one, in whichever pools, share its limits
composite   a model made of deployments
component   a deployment's place in a composite
key         a client credential, known only by its digest, with labels and limits
caller      whoever presented a key in one request
user        who keys belong to, and who pays
group       users who may use the same models
grant       that a group may use a model
ledger      a user's entries of credits, and what they come to
tariff      what a model costs, for a time
token       what an operator presents to change the configuration or look at it, known by its digest
source      who made a change: a file, an importer, a token; a file owns what it was the last to define
replica     one of the gateways that share a log
rule        a condition on a caller's labels that denies or redirects
snapshot    the whole routing table at one position; immutable
position    the number of the last event a snapshot contains; dense, from 1
event       a fact about the configuration, appended once and never changed
command     a wish to change the configuration; `decide` turns it into events or rejects it
ticket      a number the caller of an actor makes before asking; names one request there
lease       the right to send one attempt to one provider
outcome     what became of an attempt: succeeded, failed or abandoned
slot        the live state of one provider inside one pool
limiter     a rate limit's bucket; its balance is counted in tokens
meter       what a provider's limits are counted on; a deployment has one, wherever it stands
circuit     whether a provider is left alone after failures: closed, open or half-open
probe       the one request that tries a provider whose circuit is half-open
decision    one choice of a provider, with the numbers of every candidate
journal     all that the actors were told and answered, in order, and how requests went
entry       one input of one actor in the journal, with its answers
block       a stretch of the journal, with the states of its actors at its beginning
checkpoint  an actor's state at one moment, from which a replay can begin
replay      what the actors did, computed again from the journal and compared with it
story       all that the journal knows of one request, recomputed
moment      a point in recorded time, and the actors as they were at it
corpus      a part of a journal, saved as a file of its own with the events that it needs
trial       recorded traffic under another table
predicate   a question about a trial's counts, such as `refused(alias="chat") > 0`, that `bisect` asks
drain       to give no new lease while running ones end
vault       where upstream credentials live, outside the event log
"""
