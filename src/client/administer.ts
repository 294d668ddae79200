/** The methods of `Administration`, assembled from the modules that implement each API. */
import type { System } from '../base.ts'
import { createAcls, deleteAcls, describeAcls } from './acls.ts'
import type { Administration } from './administration.ts'
import { alterQuota, quotas } from './client-quotas.ts'
import { features, updateFeatures } from './features.ts'
import { electPreferred, reassign, reassignments } from './placement.ts'
import type { Ask } from './requests.ts'
import { deleteScramCredential, scramUsers, setScramCredential } from './scram-users.ts'
import { createToken, describeTokens, expireToken, renewToken } from './tokens.ts'
import { abortOnPartition, describeProducers, describeTransaction, fenceProducer, listTransactions } from './transactions.ts'

export function administration(ask: Ask, system: System): Administration {
  return {
    scramUsers: (names = []) => ask(requests => scramUsers(requests, names)),
    setScramCredential: credential => ask(requests => setScramCredential(requests, system, credential)),
    deleteScramCredential: (user, mechanism) => ask(requests => deleteScramCredential(requests, user, mechanism)),
    acls: filter => ask(requests => describeAcls(requests, filter)),
    createAcls: acls => ask(requests => createAcls(requests, acls)),
    deleteAcls: filters => ask(requests => deleteAcls(requests, filters)),
    quotas: () => ask(quotas),
    alterQuota: (entity, changes, validateOnly = false) => ask(requests => alterQuota(requests, entity, changes, validateOnly)),
    transactions: (filter = {}) => ask(requests => listTransactions(requests, filter)),
    transaction: id => ask(requests => describeTransaction(requests, id)),
    producers: (topic, partition) => ask(requests => describeProducers(requests, topic, partition)),
    abortOnPartition: (topic, partition, producer) => ask(requests => abortOnPartition(requests, topic, partition, producer)),
    fenceProducer: id => ask(requests => fenceProducer(requests, id)),
    features: () => ask(features),
    updateFeatures: (changes, validateOnly = false) => ask(requests => updateFeatures(requests, changes, validateOnly)),
    reassign: places => ask(requests => reassign(requests, places)),
    reassignments: () => ask(reassignments),
    electPreferred: partitions => ask(requests => electPreferred(requests, partitions)),
    createToken: options => ask(requests => createToken(requests, options)),
    renewToken: (hmac, periodMs) => ask(requests => renewToken(requests, hmac, periodMs)),
    expireToken: (hmac, periodMs) => ask(requests => expireToken(requests, hmac, periodMs)),
    tokens: (owners = []) => ask(requests => describeTokens(requests, owners)),
  }
}
