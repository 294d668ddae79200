/** ACLs one by one, to add one, and the question why something is allowed or denied. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { useRights } from '../rights.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Mark } from '../ui/mark.tsx'
import { Table } from '../ui/table.tsx'
import css from './security.module.css'

export type Acl = Output<'GET /security/acls'>['acls'][number]

/** What a view is about, which is not asked for there. */
type About = Pick<Draft, 'resourceType' | 'resourceName'>

const resourceTypes = ['TOPIC', 'GROUP', 'CLUSTER', 'TRANSACTIONAL_ID', 'DELEGATION_TOKEN', 'USER'] as const
const operations = [
  ...['READ', 'WRITE', 'CREATE', 'DELETE', 'ALTER', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'ALL'],
  ...['CLUSTER_ACTION', 'IDEMPOTENT_WRITE', 'CREATE_TOKENS', 'DESCRIBE_TOKENS', 'TWO_PHASE_COMMIT'],
]

function useRefresh(): () => Promise<void> {
  const queries = useQueryClient()
  return async () => {
    await queries.invalidateQueries({ queryKey: ['GET /security/acls'] })
    await queries.invalidateQueries({ queryKey: ['GET /topics/:topic/access'] })
  }
}

/** `resource`: a column says which; otherwise they are all about the same. */
export function AclTable({ acls, resource = false, removed }: { acls: readonly Acl[]; resource?: boolean; removed?: (acl: Acl) => void }) {
  const may = useRights({})
  const refresh = useRefresh()
  const remove = async (acl: Acl) => {
    await call('DELETE /security/acls', { query: acl })
    removed?.(acl)
    await refresh()
  }
  return (
    <Table
      label="ACLs"
      heads={[...(resource ? ['Principal', 'Resource'] : []), 'Permission', 'Operation', 'From host', 'Delete']}
      rows={acls.map(each => [
        ...(resource ? [each.principal, resourceOf(each)] : []),
        each.permission.toLowerCase(),
        each.operation.toLowerCase(),
        each.host,
        <ConfirmByName
          key="delete"
          title="Delete an ACL"
          name={each.principal}
          action="Delete the ACL"
          trigger={
            <Button small disabled={!may('cluster', 'ALTER')}>
              Delete…
            </Button>
          }
          onConfirm={() => remove(each)}
        >
          {each.principal} will no longer be {each.permission === 'ALLOW' ? 'allowed' : 'denied'} the operation{' '}
          {each.operation.toLowerCase()} on {resourceOf(each)} by this ACL.
        </ConfirmByName>,
      ])}
    />
  )
}

/** `TOPIC orders`, and with a star if names that begin so are meant. */
export function resourceOf({ resourceType, resourceName, patternType }: Acl): string {
  return `${resourceType} ${resourceName}${patternType === 'PREFIXED' ? '*' : ''}`
}

interface Draft {
  principal: string
  resourceType: string
  resourceName: string
  operation: string
}

const blank: Draft = { principal: 'User:', resourceType: 'TOPIC', resourceName: '', operation: 'READ' }

interface FieldsProps {
  draft: Draft
  set: (changes: Partial<Draft>) => void
  about: About | undefined
  children?: ReactNode
}

/** The fields that ACLs and questions about them have in common. */
function RightFields({ draft, set, about, children }: FieldsProps) {
  const choose = (resourceType: string) => set({ resourceType, ...(resourceType === 'CLUSTER' ? { resourceName: 'kafka-cluster' } : {}) })
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
      {about === undefined && (
        <>
          <Field label="Resource">
            {id => (
              <Select id={id} value={draft.resourceType} onChange={event => choose(event.target.value)}>
                {resourceTypes.map(each => (
                  <option key={each}>{each}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Name">
            {id => <Input id={id} value={draft.resourceName} onChange={event => set({ resourceName: event.target.value })} required />}
          </Field>
        </>
      )}
      {children}
    </>
  )
}

export function Why({ about }: { about?: About }) {
  const [draft, setDraft] = useState<Draft>({ ...blank, ...about })
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
        <RightFields draft={draft} set={changes => setDraft({ ...draft, ...changes })} about={about} />
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
                {each.permission.toLowerCase()} {each.principal} {each.operation.toLowerCase()} on {resourceOf(each)} from {each.host}
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  )
}

export function AddAcl({ about }: { about?: About }) {
  const [open, setOpen] = useState(false)
  const [draft, setDraft] = useState<Draft>({ ...blank, ...about })
  const [host, setHost] = useState('*')
  const [patternType, setPatternType] = useState<Acl['patternType']>('LITERAL')
  const [permission, setPermission] = useState<Acl['permission']>('ALLOW')
  const refresh = useRefresh()
  const add = async () => {
    await call('POST /security/acls', { body: { acls: [{ ...draft, host, patternType, permission }] } })
    await refresh()
    setOpen(false)
  }
  return (
    <Dialog
      title={about === undefined ? 'Add an ACL' : `Add an ACL on ${about.resourceName}`}
      trigger={<Button>Add ACL</Button>}
      open={open}
      onOpenChange={setOpen}
    >
      <DialogForm onSubmit={add} action="Add" disabled={draft.resourceName === ''}>
        <RightFields draft={draft} set={changes => setDraft({ ...draft, ...changes })} about={about}>
          {about === undefined && (
            <Field label="The name is">
              {id => (
                <Select id={id} value={patternType} onChange={event => setPatternType(event.target.value as Acl['patternType'])}>
                  <option value="LITERAL">the whole name, or * for all</option>
                  <option value="PREFIXED">how names begin</option>
                </Select>
              )}
            </Field>
          )}
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
