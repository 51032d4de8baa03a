import { useState } from 'react';
import { useStore } from '../views/use-console.js';
import { FoldedCard } from './folded-card.js';
import { PermissionCard } from './permission-card.js';

/** What the session asks. Subagents can ask at once: one card is open, so that each answer has one button. */
export function SessionRequests({ sessionId }: { sessionId: string }) {
  const permissions = useStore((state) => state.permissions);
  const [chosen, choose] = useState<string>();
  const asked = [...permissions.values()].filter((request) => request.sessionId === sessionId);
  if (asked.length === 0) return undefined;
  const open = (asked.find(({ permissionId }) => permissionId === chosen) ?? asked[0])?.permissionId;
  return (
    <ul className="cards requests">
      {asked.map((request) => {
        const { permissionId, title, prompt } = request;
        return (
          <FoldedCard
            key={permissionId}
            title={title ?? prompt}
            isOpen={permissionId === open}
            isChosen={permissionId === chosen}
            onChoose={() => choose(permissionId)}
          >
            <PermissionCard request={request} />
          </FoldedCard>
        );
      })}
    </ul>
  );
}
