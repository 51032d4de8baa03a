/** Why something could not be done; nothing without a reason. */
export function Refusal({ reason }: { reason: string | undefined }) {
  if (reason === undefined) return undefined;
  return (
    <p role="alert" className="refusal">
      {reason}
    </p>
  );
}
