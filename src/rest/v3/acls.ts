/** `/v3/clusters/{cluster_id}/acls`: search, create one or many, delete. */
import { type Static, Type } from 'typebox'
import { type Acl, type AclFilter, aclOperations, aclResourceTypes } from '../../client.ts'
import { badRequestOf } from '../errors.ts'
import type { Links } from '../links.ts'
import type { Rest } from '../rest.ts'
import { errors, InCluster, List, Resource } from './schemas.ts'

const AclFields = {
  resource_type: Type.String(),
  resource_name: Type.String(),
  pattern_type: Type.String(),
  principal: Type.String(),
  host: Type.String(),
  operation: Type.String(),
  permission: Type.String(),
}
const AclData = Resource({ cluster_id: Type.String(), ...AclFields })
const NewAcl = Type.Object(AclFields)
const Filter = Type.Partial(Type.Object(AclFields))
type NewAcl = Static<typeof NewAcl>
type Filter = Static<typeof Filter>
const path = '/v3/clusters/:cluster_id/acls'
const patternTypes = ['LITERAL', 'PREFIXED'] as const
const permissions = ['ALLOW', 'DENY'] as const

export function aclRoutes(rest: Rest): void {
  const { app } = rest
  app.get(path, { schema: { params: InCluster, querystring: Filter, response: { 200: List(AclData), ...errors } } }, async request => {
    const { cluster_id } = request.params
    const links = await rest.links(request, cluster_id)
    const found = await rest.client(request).acls(filterIn({ ...anything, ...request.query }, 'UNKNOWN'))
    const self = `${links.url('acls')}?${new URLSearchParams({ ...anything, ...request.query })}`
    return { kind: 'KafkaAclList', metadata: { self, next: null }, data: found.map(each => aclData(cluster_id, each, links)) }
  })
  app.post(path, { schema: { params: InCluster, body: NewAcl, response: { 201: Type.Null(), ...errors } } }, async (request, reply) => {
    const links = await rest.links(request, request.params.cluster_id)
    const acl = aclIn(request.body)
    await rest.client(request).createAcls([acl])
    reply.code(201).header('location', urlOf(acl, links)).send(null)
  })
  app.post(
    `${path}::batch`,
    {
      schema: {
        params: InCluster,
        body: Type.Object({ data: Type.Array(NewAcl) }),
        response: { 201: Type.Null(), ...errors },
      },
    },
    async (request, reply) => {
      const links = await rest.links(request, request.params.cluster_id)
      await rest.client(request).createAcls(request.body.data.map(aclIn))
      reply.code(201).header('location', links.url('acls')).send(null)
    },
  )
  app.delete(
    path,
    { schema: { params: InCluster, querystring: Filter, response: { 200: Type.Object({ data: Type.Array(AclData) }), ...errors } } },
    async request => {
      const { cluster_id } = request.params
      const links = await rest.links(request, cluster_id)
      for (const name of ['resource_type', 'pattern_type', 'operation', 'permission'] as const)
        if (request.query[name] === undefined) throw badRequestOf(`${name} cannot be unspecified or UNKNOWN`)
      const deleted = await rest.client(request).deleteAcls([filterIn(request.query, 'unspecified or UNKNOWN')])
      return { data: deleted.map(each => aclData(cluster_id, each, links)) }
    },
  )
}

const anything = {
  ...{ resource_type: 'ANY', resource_name: '', pattern_type: 'ANY', principal: '', host: '' },
  ...{ operation: 'ANY', permission: 'ANY' },
}

/** The name in Kafka's spelling; undefined for ANY. Names are taken in any case, as by Confluent's. */
function wordIn<Word extends string>(given: string | undefined, field: string, words: readonly Word[], not: string): Word | undefined {
  const word = given?.toUpperCase()
  if (word === 'ANY') return undefined
  const known = words.find(each => each === word)
  if (known === undefined) throw badRequestOf(`${field} cannot be ${not}`)
  return known
}

function filterIn(query: Filter, not: string): AclFilter {
  const resourceType = wordIn(query.resource_type, 'resource_type', aclResourceTypes, not)
  const patternType = wordIn(query.pattern_type, 'pattern_type', [...patternTypes, 'MATCH'], not)
  const operation = wordIn(query.operation, 'operation', aclOperations, not)
  const permission = wordIn(query.permission, 'permission', permissions, not)
  return {
    ...(resourceType === undefined ? {} : { resourceType }),
    ...(query.resource_name ? { resourceName: query.resource_name } : {}),
    ...(patternType === undefined ? {} : { patternType }),
    ...(query.principal ? { principal: query.principal } : {}),
    ...(query.host ? { host: query.host } : {}),
    ...(operation === undefined ? {} : { operation }),
    ...(permission === undefined ? {} : { permission }),
  }
}

function aclIn(body: NewAcl): Acl {
  const exactly = <Word extends string>(given: string, field: string, words: readonly Word[]): Word => {
    const word = wordIn(given, field, words, 'UNKNOWN')
    if (word === undefined) throw badRequestOf(`${field} cannot be ANY`)
    return word
  }
  return {
    resourceType: exactly(body.resource_type, 'resource_type', aclResourceTypes),
    resourceName: body.resource_name,
    patternType: exactly(body.pattern_type, 'pattern_type', patternTypes),
    principal: body.principal,
    host: body.host,
    operation: exactly(body.operation, 'operation', aclOperations),
    permission: exactly(body.permission, 'permission', permissions),
  }
}

function fieldsOf(acl: Acl): NewAcl {
  return {
    ...{ resource_type: acl.resourceType, resource_name: acl.resourceName, pattern_type: acl.patternType },
    ...{ principal: acl.principal, host: acl.host, operation: acl.operation, permission: acl.permission },
  }
}

function urlOf(acl: Acl, links: Links): string {
  return `${links.url('acls')}?${new URLSearchParams({ ...fieldsOf(acl) })}`
}

function aclData(clusterId: string, acl: Acl, links: Links) {
  return { kind: 'KafkaAcl', metadata: { self: urlOf(acl, links) }, cluster_id: clusterId, ...fieldsOf(acl) }
}
