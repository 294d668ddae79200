/** Who may do what with a topic, because of which ACLs, and why something is denied. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { counted } from '../format.ts'
import { useRights } from '../rights.ts'
import { Mark } from '../ui/mark.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading, NoAuthorizer } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import { AclTable, AddAcl, Why } from './acl-forms.tsx'
import css from './security.module.css'

const here = getRouteApi('/topics/$topic/acl')

type Access = Output<'GET /topics/:topic/access'>

const operations = {
  READ: 'Read',
  WRITE: 'Write',
  DESCRIBE: 'Describe',
  DELETE: 'Delete',
  ALTER: 'Alter',
  DESCRIBE_CONFIGS: 'See config',
  ALTER_CONFIGS: 'Change config',
} as const

export function TopicAccess() {
  const { topic } = here.useParams()
  const found = useQuery(asked('GET /topics/:topic/access', { params: { topic } }))
  const may = useRights({})
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE on the cluster" />
  const { authorizer, acls, principals } = found.data
  if (!authorizer) return <NoAuthorizer />
  const about = { resourceType: 'TOPIC', resourceName: topic }
  return (
    <>
      <Bar>
        <span className={css['muted']}>{counted(acls.length, 'ACL')} about this topic</span>
        {may('cluster', 'ALTER') && <AddAcl about={about} />}
      </Bar>
      <Content>
        {principals.length > 0 && <Who access={found.data} />}
        <p className={css['muted']}>{othersMay(found.data)}</p>
        {acls.length === 0 ? (
          <Empty title="No ACL is about this topic">
            <Command text={`millrace acl add --principal alice --operation read --topic ${topic}`} />
          </Empty>
        ) : (
          <AclTable acls={acls} resource />
        )}
        <Why about={about} />
      </Content>
    </>
  )
}

function Who({ access: { principals, superUsers } }: { access: Access }) {
  return (
    <Table
      label="Who may do what"
      heads={['Principal', ...Object.values(operations)]}
      rows={principals.map(({ principal, allowed, denied }) => [
        superUsers?.includes(principal) === true ? `${principal} (super user)` : principal,
        ...Object.keys(operations).map(operation =>
          allowed.includes(operation) ? (
            <Mark key={operation} tone="good">
              yes
            </Mark>
          ) : denied.includes(operation) ? (
            <Mark key={operation} tone="bad">
              denied
            </Mark>
          ) : (
            <span key={operation} className={css['muted']}>
              no
            </span>
          ),
        ),
      ])}
    />
  )
}

function othersMay({ everybody, superUsers, acls }: Access): string {
  if (everybody) return 'Everybody else may do it as well: no ACL is about this topic, and allow.everyone.if.no.acl.found is true.'
  const unknown =
    superUsers === null ? ', except for super users, whom only those see who may describe the configuration of the brokers' : ''
  const hosts = acls.some(each => each.host !== '*') ? ' ACLs for single hosts are in the list below only.' : ''
  return `Nobody else may do anything with it${unknown}.${hosts}`
}
