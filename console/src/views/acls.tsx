/** ACLs as a matrix, who may do what on which resource; and why something is denied. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { counted } from '../format.ts'
import { useRights } from '../rights.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { Mark } from '../ui/mark.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import css from './security.module.css'

type Acl = Output<'GET /security/acls'>['acls'][number]

const here = getRouteApi('/security/acls')
const resourceTypes = ['TOPIC', 'GROUP', 'CLUSTER', 'TRANSACTIONAL_ID', 'DELEGATION_TOKEN', 'USER'] as const
const operations = [
  ...['READ', 'WRITE', 'CREATE', 'DELETE', 'ALTER', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'ALL'],
  ...['CLUSTER_ACTION', 'IDEMPOTENT_WRITE', 'CREATE_TOKENS', 'DESCRIBE_TOKENS', 'TWO_PHASE_COMMIT'],
]

export function Acls() {
  const { search = '' } = here.useSearch()
  const navigate = useNavigate({ from: '/security/acls' })
  const found = useQuery(asked('GET /security/acls', {}))
  const [cell, setCell] = useState<readonly Acl[] | null>(null)
  const may = useRights({})
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />
  const { acls, total } = found.data
  const matching = acls.filter(each =>
    `${each.principal} ${each.resourceType} ${each.resourceName}`.toLowerCase().includes(search.toLowerCase()),
  )
  return (
    <>
      <Bar>
        <Input
          type="search"
          aria-label="Search principals and resources"
          placeholder="Principal or resource contains…"
          value={search}
          onChange={event => void navigate({ replace: true, search: { search: event.target.value || undefined } as never })}
        />
        <span className={css['muted']}>{counted(matching.length, 'ACL')}</span>
        {may('cluster', 'ALTER') && <AddAcl />}
      </Bar>
      <Content>
        {total === 0 ? (
          <Empty title="There are no ACLs">
            <p>With an authorizer, only super users may do anything then.</p>
            <Command text="millrace acl add --principal alice --operation read --topic orders" />
          </Empty>
        ) : (
          <Matrix acls={matching} onOpen={setCell} />
        )}
        <Why />
      </Content>
      {cell !== null && <Entries acls={cell} close={() => setCell(null)} />}
    </>
  )
}

const mostRows = 500

function Matrix({ acls, onOpen }: { acls: readonly Acl[]; onOpen: (acls: readonly Acl[]) => void }) {
  const principals = [...new Set(acls.map(each => each.principal))].sort()
  const byResource = Map.groupBy(acls, each => `${each.resourceType} ${each.resourceName}${each.patternType === 'PREFIXED' ? '*' : ''}`)
  const rows = [...byResource.keys()].sort().slice(0, mostRows)
  return (
    <>
      <Table
        label="Who may do what"
        heads={['Resource', ...principals]}
        rows={rows.map(resource => [
          resource,
          ...principals.map(principal => {
            const inCell = byResource.get(resource)!.filter(each => each.principal === principal)
            return inCell.length === 0 ? '' : <Cell key={principal} acls={inCell} onOpen={() => onOpen(inCell)} />
          }),
        ])}
      />
      {byResource.size > mostRows && <p className={css['muted']}>The first {mostRows} resources; search for others.</p>}
    </>
  )
}

function Cell({ acls, onOpen }: { acls: readonly Acl[]; onOpen: () => void }) {
  const said = (permission: Acl['permission']) =>
    acls.filter(each => each.permission === permission).map(each => each.operation.toLowerCase())
  const [allowed, denied] = [said('ALLOW'), said('DENY')]
  return (
    <button type="button" className={css['cell']} onClick={onOpen}>
      {allowed.length > 0 && <Mark tone="good">{allowed.join(', ')}</Mark>}{' '}
      {denied.length > 0 && <Mark tone="bad">{`not ${denied.join(', ')}`}</Mark>}
    </button>
  )
}

function Entries({ acls, close }: { acls: readonly Acl[]; close: () => void }) {
  const queries = useQueryClient()
  const [error, setError] = useState<string | null>(null)
  const [left, setLeft] = useState(acls)
  const may = useRights({})
  const remove = async (acl: Acl) => {
    try {
      await call('DELETE /security/acls', { query: acl })
      setLeft(left.filter(each => each !== acl))
      await queries.invalidateQueries({ queryKey: ['GET /security/acls'] })
    } catch (refused) {
      setError((refused as Error).message)
    }
  }
  const { principal, resourceType, resourceName, patternType } = acls[0]!
  return (
    <Dialog
      title={`${principal} on ${resourceType} ${resourceName}${patternType === 'PREFIXED' ? '*' : ''}`}
      open
      onOpenChange={close}
      wide
    >
      <div className={css['dialog']}>
        <Table
          label="ACLs"
          heads={['Permission', 'Operation', 'From host', 'Delete']}
          rows={left.map(each => [
            each.permission.toLowerCase(),
            each.operation.toLowerCase(),
            each.host,
            <Button key="delete" small disabled={!may('cluster', 'ALTER')} onClick={() => void remove(each)}>
              Delete
            </Button>,
          ])}
        />
        {error !== null && <p role="alert">{error}</p>}
      </div>
    </Dialog>
  )
}

interface Draft {
  principal: string
  resourceType: string
  resourceName: string
  operation: string
}

const blank: Draft = { principal: 'User:', resourceType: 'TOPIC', resourceName: '', operation: 'READ' }

/** The fields that ACLs and questions about them have in common. */
function RightFields({ draft, set, children }: { draft: Draft; set: (changes: Partial<Draft>) => void; children?: ReactNode }) {
  return (
    <>
      <Field label="Principal">
        {id => (
          <Input
            id={id}
            value={draft.principal}
            onChange={event => set({ principal: event.target.value })}
            pattern="[A-Za-z]+:.+"
            required
          />
        )}
      </Field>
      <Field label="Operation">
        {id => (
          <Select id={id} value={draft.operation} onChange={event => set({ operation: event.target.value })}>
            {operations.map(each => (
              <option key={each}>{each}</option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Resource">
        {id => (
          <Select
            id={id}
            value={draft.resourceType}
            onChange={event =>
              set({ resourceType: event.target.value, ...(event.target.value === 'CLUSTER' ? { resourceName: 'kafka-cluster' } : {}) })
            }
          >
            {resourceTypes.map(each => (
              <option key={each}>{each}</option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Name">
        {id => <Input id={id} value={draft.resourceName} onChange={event => set({ resourceName: event.target.value })} required />}
      </Field>
      {children}
    </>
  )
}

function Why() {
  const [draft, setDraft] = useState(blank)
  const [asking, setAsking] = useState<Draft | null>(null)
  const answer = useQuery({ ...asked('GET /security/why', { query: asking ?? blank }), enabled: asking !== null })
  const ask = (event: FormEvent) => {
    event.preventDefault()
    setAsking(draft)
  }
  return (
    <section aria-label="May they?" className={css['why']}>
      <h2>May they, and why?</h2>
      <form onSubmit={ask} className={css['fields']}>
        <RightFields draft={draft} set={changes => setDraft({ ...draft, ...changes })} />
        <Button type="submit">Explain</Button>
      </form>
      {answer.error !== null && <p role="alert">{answer.error.message}</p>}
      {asking !== null && answer.data !== undefined && (
        <div role="status">
          <p>
            <Mark tone={answer.data.allowed ? 'good' : 'bad'}>{answer.data.allowed ? 'Allowed.' : 'Denied.'}</Mark> {answer.data.reason}
          </p>
          <ul>
            {answer.data.acls.map(each => (
              <li key={JSON.stringify(each)}>
                {each.permission.toLowerCase()} {each.principal} {each.operation.toLowerCase()} on {each.resourceType} {each.resourceName}
                {each.patternType === 'PREFIXED' ? '*' : ''} from {each.host}
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  )
}

function AddAcl() {
  const [open, setOpen] = useState(false)
  const [draft, setDraft] = useState(blank)
  const [host, setHost] = useState('*')
  const [patternType, setPatternType] = useState<Acl['patternType']>('LITERAL')
  const [permission, setPermission] = useState<Acl['permission']>('ALLOW')
  const queries = useQueryClient()
  const add = async () => {
    await call('POST /security/acls', { body: { acls: [{ ...draft, host, patternType, permission }] } })
    await queries.invalidateQueries({ queryKey: ['GET /security/acls'] })
    setOpen(false)
  }
  return (
    <Dialog title="Add an ACL" trigger={<Button>Add ACL</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={add} action="Add" disabled={draft.resourceName === ''}>
        <RightFields draft={draft} set={changes => setDraft({ ...draft, ...changes })}>
          <Field label="The name is">
            {id => (
              <Select id={id} value={patternType} onChange={event => setPatternType(event.target.value as Acl['patternType'])}>
                <option value="LITERAL">the whole name, or * for all</option>
                <option value="PREFIXED">how names begin</option>
              </Select>
            )}
          </Field>
          <Field label="Permission">
            {id => (
              <Select id={id} value={permission} onChange={event => setPermission(event.target.value as Acl['permission'])}>
                <option value="ALLOW">allow</option>
                <option value="DENY">deny</option>
              </Select>
            )}
          </Field>
          <Field label="From host">{id => <Input id={id} value={host} onChange={event => setHost(event.target.value)} required />}</Field>
        </RightFields>
      </DialogForm>
    </Dialog>
  )
}
