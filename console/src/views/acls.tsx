/** ACLs as a matrix, who may do what on which resource; and why something is denied. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { asked } from '../api.ts'
import { counted } from '../format.ts'
import { useRights } from '../rights.ts'
import { Input } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Mark } from '../ui/mark.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading, NoAuthorizer } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import { type Acl, AclTable, AddAcl, resourceOf, Why } from './acl-forms.tsx'
import css from './security.module.css'

const here = getRouteApi('/security/acls')

export function Acls() {
  const { search = '' } = here.useSearch()
  const navigate = useNavigate({ from: '/security/acls' })
  const found = useQuery(asked('GET /security/acls', {}))
  const [cell, setCell] = useState<readonly Acl[] | null>(null)
  const may = useRights({})
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE on the cluster" />
  const { authorizer, acls, total } = found.data
  if (!authorizer) return <NoAuthorizer />
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
  const byResource = Map.groupBy(acls, resourceOf)
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
  const [left, setLeft] = useState(acls)
  const [first] = acls
  return (
    <Dialog title={`${first!.principal} on ${resourceOf(first!)}`} open onOpenChange={close} wide>
      <div className={css['dialog']}>
        <AclTable acls={left} removed={acl => setLeft(left.filter(each => each !== acl))} />
      </div>
    </Dialog>
  )
}
